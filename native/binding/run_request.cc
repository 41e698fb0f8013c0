#include "binding/run_request.h"

#include "base/device.h"
#include "base/dtype.h"
#include "binding/typed_array.h"

namespace gemlens::binding {
namespace {

model::Output readOutput(const std::string& name) {
  if (name == "logits") return model::Output::Logits;
  if (name == "residual") return model::Output::Residual;
  if (name == "loss") return model::Output::Loss;
  if (name == "none") return model::Output::None;
  throw Error(code::kArgument,
              "forward: expected output logits, residual, loss or none, got " + name);
}

}  // namespace

ModelRun::ModelRun(Environment& environment, ModelPtr model, napi_value request,
                   napi_value gradients, const TaskContext& context)
    : environment_(environment), model_(std::move(model)) {
  napi_env env = environment.env();
  environment_.checkNotInsideOwnHook(context.call, model_.get());
  request_.batch = readInt(env, property(env, request, "batch"));
  request_.pos = readInt(env, property(env, request, "pos"));
  if (request_.batch < 1 || request_.pos < 1) {
    throw Error(code::kArgument,
                concat("forward: expected at least one row and one position, got [", request_.batch,
                       ", ", request_.pos, "]"));
  }
  readInput(request);
  readStages(request);
  readPoints(request);
  readColumns(request);
  readSampling(request);
  interventions_ = readInterventions(environment_, request, limits());
  if (gradients != nullptr) readGradients(gradients);
  if (napi_value step = optionalProperty(env, request, "step")) request_.step = readInt(env, step);
  if (napi_value kv = optionalProperty(env, request, "kv")) {
    request_.kv = environment_.handles().kvCache(kv);
    if (!request_.kv->fits(model_->config(), model_->dtype(), model_->device())) {
      throw Error(code::kArgument,
                  "forward: expected a key-value cache of this model, got another's");
    }
    if (request_.kv->batch() != request_.batch) {
      throw Error(code::kShape, concat("forward: expected ", request_.kv->batch(),
                                       " rows for this key-value cache, got ", request_.batch));
    }
  }
  const bool hasMetric =
      gradients_ && std::holds_alternative<attribute::MetricTarget>(gradients_->target);
  if (!hookPoints_.empty() || hasMetric) {
    hookTarget_ = std::make_shared<HookTarget>();
    hookTarget_->environment = &environment_;
    hookTarget_->executor = &environment_.executor(model_->device());
    hookTarget_->model = model_.get();
    hookTarget_->parentCall = context.call;
    // Last: nothing after a reference may throw, or it would stay.
    napi_value onHook = hookPoints_.empty() ? nullptr : property(env, request, "onHook");
    napi_value onMetric = hasMetric ? property(env, request, "onMetric") : nullptr;
    if (onHook != nullptr)
      hookTarget_->onHook = std::make_shared<JsFunction>(env, onHook, "onHook");
    if (onMetric == nullptr) return;
    try {
      hookTarget_->onMetric = std::make_shared<JsFunction>(env, onMetric, "onMetric");
    } catch (const Error&) {
      if (hookTarget_->onHook) hookTarget_->onHook->release();
      throw;
    }
  }
}

void ModelRun::readInput(napi_value request) {
  napi_env env = environment_.env();
  const int64_t batch = request_.batch, pos = request_.pos, count = batch * pos;
  const auto& config = model_->config();
  if (napi_value resid = optionalProperty(env, request, "resid")) {
    request_.resid = environment_.handles().tensor(resid);
    const Shape expected{batch, pos, config.dModel};
    if (request_.resid.sizes() != at::IntArrayRef(expected)) {
      throw Error(code::kShape,
                  concat("forward: expected ", formatShape(expected), " for the residual, got ",
                         formatShape(request_.resid.sizes())),
                  {{"expected", expected}, {"got", request_.resid.sizes().vec()}});
    }
    if (request_.resid.scalar_type() != model_->dtype()) {
      throw Error(code::kDtype,
                  concat("forward: expected a residual of ", dtypeName(model_->dtype()), ", got ",
                         dtypeName(request_.resid.scalar_type())));
    }
    if (request_.resid.device() != model_->device()) {
      throw Error(code::kDevice,
                  concat("forward: expected a residual on ", deviceName(model_->device()), ", got ",
                         deviceName(request_.resid.device())));
    }
  }
  if (napi_value tokens = optionalProperty(env, request, "tokens")) {
    const Int32View ids = readInt32Array(env, tokens);
    if (static_cast<int64_t>(ids.size) != count) {
      throw Error(code::kShape, concat("forward: expected ", count, " token ids, got ", ids.size));
    }
    request_.tokens = empty({batch, pos}, c10::kLong);
    int64_t* out = request_.tokens.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      if (ids.data[i] < 0 || ids.data[i] >= config.dVocab) {
        throw Error(code::kArgument,
                    concat("forward: expected token ids in 0 ≤ id < ", config.dVocab, ", got ",
                           ids.data[i], " at [", i / pos, ", ", i % pos, "]"),
                    {{"got", static_cast<double>(ids.data[i])},
                     {"dVocab", static_cast<double>(config.dVocab)}});
      }
      out[i] = ids.data[i];
    }
  } else if (!request_.resid.defined()) {
    throw Error(code::kArgument, "forward: expected tokens or a residual, got neither");
  }
  if (napi_value mask = optionalProperty(env, request, "mask")) {
    const BytesView real = readTypedArray(env, mask);
    if (static_cast<int64_t>(real.bytes) != count) {
      throw Error(code::kShape,
                  concat("forward: expected a mask of ", count, ", got ", real.bytes));
    }
    bool all = true;
    request_.mask = empty({batch, pos}, c10::kBool);
    bool* out = request_.mask.mutable_data_ptr<bool>();
    for (int64_t i = 0; i < count; ++i) {
      out[i] = real.data[i] != 0;
      all = all && out[i];
    }
    if (all) request_.mask = Tensor();
  }
}

void ModelRun::readStages(napi_value request) {
  napi_env env = environment_.env();
  const int layers = model_->config().layerCount();
  request_.startLayer = static_cast<int>(readInt(env, property(env, request, "startLayer")));
  request_.stopLayer = static_cast<int>(readInt(env, property(env, request, "stopLayer")));
  if (request_.startLayer < 0 || request_.stopLayer > layers ||
      request_.startLayer > request_.stopLayer) {
    throw Error(code::kArgument,
                concat("forward: expected 0 ≤ startLayer ≤ stopLayer ≤ ", layers, ", got ",
                       request_.startLayer, " and ", request_.stopLayer));
  }
  request_.output = readOutput(readString(env, property(env, request, "output")));
  if (request_.output == model::Output::Loss && (!request_.tokens.defined() || request_.pos < 2)) {
    throw Error(code::kArgument, "loss: expected at least two tokens per row");
  }
}

RunLimits ModelRun::limits() const {
  return {hooks::pointCount(model_->config().layerCount()), request_.batch * request_.pos,
          model_->device()};
}

std::vector<Tensor> ModelRun::inputs() const {
  std::vector<Tensor> out;
  if (request_.resid.defined()) out.push_back(request_.resid);
  for (const auto& intervention : interventions_.list) {
    if (const auto* steer = std::get_if<intervene::Steer>(&intervention))
      out.push_back(steer->vector);
    if (const auto* project = std::get_if<intervene::Project>(&intervention))
      out.push_back(project->vector);
    if (const auto* patch = std::get_if<intervene::Patch>(&intervention))
      out.push_back(patch->source);
  }
  return out;
}

std::vector<int> ModelRun::readPointIds(napi_value array) const {
  const Int32View ids = readInt32Array(environment_.env(), array);
  const int count = hooks::pointCount(model_->config().layerCount());
  for (size_t i = 0; i < ids.size; ++i) {
    if (ids.data[i] < 0 || ids.data[i] >= count) {
      throw Error(code::kArgument, concat("forward: expected a hook point id in 0 ≤ id < ", count,
                                          ", got ", ids.data[i]));
    }
  }
  return {ids.data, ids.data + ids.size};
}

void ModelRun::readPoints(napi_value request) {
  napi_env env = environment_.env();
  cachePoints_ = readPointIds(property(env, request, "cache"));
  hookPoints_ = readPointIds(property(env, request, "hooks"));
  napi_value list = property(env, request, "features");
  uint32_t length = 0;
  napi_get_array_length(env, list, &length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    FeatureRead read;
    read.coder = environment_.handles().coder(property(env, element, "coder"));
    read.point = readPoint(environment_, element, "point", limits());
    featureReads_.push_back(std::move(read));
  }
}

void ModelRun::readColumns(napi_value request) {
  napi_env env = environment_.env();
  napi_value value = optionalProperty(env, request, "columns");
  if (value == nullptr) return;
  const Int32View columns = readInt32Array(env, value);
  const int64_t perRow = static_cast<int64_t>(columns.size) / request_.batch;
  if (perRow * request_.batch != static_cast<int64_t>(columns.size)) {
    throw Error(code::kArgument, "forward: expected the same number of columns for each row");
  }
  request_.columns = empty({request_.batch, perRow}, c10::kLong);
  int64_t* out = request_.columns.mutable_data_ptr<int64_t>();
  for (size_t i = 0; i < columns.size; ++i) {
    if (columns.data[i] < 0 || columns.data[i] >= request_.pos) {
      throw Error(code::kArgument, concat("forward: expected 0 ≤ column < ", request_.pos, ", got ",
                                          columns.data[i]));
    }
    out[i] = columns.data[i];
  }
}

void ModelRun::readSampling(napi_value request) {
  napi_env env = environment_.env();
  napi_value object = optionalProperty(env, request, "sample");
  if (object == nullptr) return;
  ops::Sampling sampling;
  sampling.temperature = readNumber(env, property(env, object, "temperature"));
  sampling.topK = readInt(env, property(env, object, "topK"));
  sampling.topP = readNumber(env, property(env, object, "topP"));
  sampling.repetitionPenalty = readNumber(env, property(env, object, "repetitionPenalty"));
  sampling.seed = static_cast<uint64_t>(readInt(env, property(env, object, "seed")));
  if (!(sampling.temperature >= 0) || sampling.topK < 0 ||
      !(sampling.topP > 0 && sampling.topP <= 1) || !(sampling.repetitionPenalty > 0)) {
    throw Error(code::kArgument, concat("generate: expected temperature ≥ 0, topK ≥ 0, 0 < topP ≤ "
                                        "1, repetitionPenalty > 0, got ",
                                        sampling.temperature, ", ", sampling.topK, ", ",
                                        sampling.topP, ", ", sampling.repetitionPenalty));
  }
  sampling.history.resize(static_cast<size_t>(request_.batch));
  napi_value history = optionalProperty(env, object, "history");
  if (history != nullptr) {
    const Int32View tokens = readInt32Array(env, history);
    const Int32View starts = readInt32Array(env, property(env, object, "historyPtr"));
    if (static_cast<int64_t>(starts.size) != request_.batch + 1) {
      throw Error(code::kArgument, "generate: expected batch + 1 entries in historyPtr");
    }
    for (size_t row = 0; row + 1 < starts.size; ++row) {
      for (int32_t i = starts.data[row]; i < starts.data[row + 1]; ++i) {
        if (i < 0 || static_cast<size_t>(i) >= tokens.size || tokens.data[i] < 0 ||
            tokens.data[i] >= model_->config().dVocab) {
          throw Error(code::kArgument, "generate: expected a history of token ids");
        }
        sampling.history[row].push_back(tokens.data[i]);
      }
    }
  }
  if (napi_value ended = optionalProperty(env, object, "ended")) {
    const BytesView rows = readTypedArray(env, ended);
    if (static_cast<int64_t>(rows.bytes) != request_.batch) {
      throw Error(code::kShape, concat("generate: expected ", request_.batch,
                                       " rows for ended, got ", rows.bytes));
    }
    sampling.ended.assign(rows.data, rows.data + rows.bytes);
  }
  request_.sampling = std::move(sampling);
}

void ModelRun::execute(const CancelToken& token) {
  const auto device = model_->device();
  for (Tensor* tensor : {&request_.tokens, &request_.mask, &request_.columns}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  hooks::HookPlan plan(model_->config().layerCount());
  cached_.resize(cachePoints_.size());
  features_.resize(featureReads_.size());
  const Tensor rowReal = request_.mask.defined() ? request_.mask.reshape(-1) : Tensor();
  // Order at one point (docs/architecture.md): coders, interventions, hooks, then what is read.
  const intervene::Compiled compiled(interventions_, plan, rowReal, request_.batch * request_.pos,
                                     device);
  for (size_t i = 0; i < hookPoints_.size(); ++i) {
    plan.add(hookPoints_[i],
             std::make_unique<JsHookAction>(plan, hookTarget_, static_cast<int>(i), token));
  }
  if (request_.sampling) addProbes(plan, editedPoints(plan));
  for (size_t i = 0; i < featureReads_.size(); ++i) {
    const FeatureRead& read = featureReads_[i];
    if (intervene::Splice* splice = compiled.spliceOf(read.coder.get())) {
      splice->keepFeatures(features_[i]);
    } else {
      plan.add(read.point,
               std::make_unique<coder::EncodeAction>(read.coder, rowReal, features_[i]));
    }
  }
  const auto addCache = [&] {
    for (size_t i = 0; i < cachePoints_.size(); ++i) {
      plan.add(cachePoints_[i], std::make_unique<hooks::CacheAction>(plan, cached_[i]));
    }
  };
  if (gradients_) {
    differentiate(plan, compiled, addCache, token);
  } else {
    addCache();
    try {
      result_ = model_->run(request_, plan, token);
    } catch (const ops::NotFiniteLogits& error) {
      explain(error, token);
    }
  }
  compiled.check();
  checkFired();
}

void ModelRun::checkFired() const {
  const auto fail = [](int point) {
    const std::string name = hooks::pointName(point);
    throw Error(
        code::kHook,
        name + " did not fire in this run (check startLayer, stopLayer and the model's kind)",
        {{"hook", name}});
  };
  for (size_t i = 0; i < cached_.size(); ++i) {
    if (!cached_[i].defined()) fail(cachePoints_[i]);
  }
  for (size_t i = 0; i < features_.size(); ++i) {
    if (!features_[i].rows.indptr.defined()) fail(featureReads_[i].point);
  }
}

napi_value ModelRun::finish(napi_env env) {
  auto& handles = environment_.handles();
  if (request_.kv) handles.recount(request_.kv);
  napi_value out = nullptr, cache = nullptr, features = nullptr;
  napi_create_object(env, &out);
  napi_create_array_with_length(env, cached_.size(), &cache);
  for (size_t i = 0; i < cached_.size(); ++i) {
    napi_set_element(env, cache, static_cast<uint32_t>(i), handles.create(cached_[i]));
  }
  napi_create_array_with_length(env, features_.size(), &features);
  for (size_t i = 0; i < features_.size(); ++i) {
    napi_set_element(
        env, features, static_cast<uint32_t>(i),
        handles.create(std::make_shared<const coder::Features>(std::move(features_[i]))));
  }
  napi_set_named_property(env, out, "cache", cache);
  napi_set_named_property(env, out, "features", features);
  if (result_.output.defined())
    napi_set_named_property(env, out, "output", handles.create(result_.output));
  if (gradients_) finishGradients(env, out);
  if (result_.sample) {
    napi_set_named_property(env, out, "tokens", copyArray(env, result_.sample->tokens));
    napi_set_named_property(env, out, "logprobs", copyArray(env, result_.sample->logprobs));
  }
  return out;
}

void ModelRun::settled() {
  if (!hookTarget_) return;
  for (const Tensor& tensor : *hookTarget_->uses) environment_.handles().removeUser(tensor);
  hookTarget_->uses->clear();
  for (const auto& function : {hookTarget_->onHook, hookTarget_->onMetric}) {
    if (function) function->release();
  }
}

}  // namespace gemlens::binding
