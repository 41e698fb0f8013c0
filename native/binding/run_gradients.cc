// The gradients part of a run request.
#include "binding/run_request.h"

namespace gemlens::binding {
namespace {

napi_value featuresHandle(HandleTable& handles, coder::Features features) {
  return handles.create(std::make_shared<const coder::Features>(std::move(features)));
}

}  // namespace

void ModelRun::readGradients(napi_value gradients) {
  napi_env env = environment_.env();
  attribute::GradientRequest request;
  request.points = readPointIds(property(env, gradients, "points"));
  gradientSplices_ = readIndices(environment_, property(env, gradients, "splices"),
                                 static_cast<int64_t>(interventions_.splices.size()), "splices");
  request.target = readTarget(property(env, gradients, "target"));
  gradients_ = std::move(request);
}

attribute::Target ModelRun::readTarget(napi_value object) {
  napi_env env = environment_.env();
  const std::string kind = readString(env, property(env, object, "kind"));
  const auto needsOutput = [&](model::Output output, const char* name) {
    if (request_.output == output) return;
    throw Error(code::kArgument, concat("gradients: expected output ", name, " for this target"));
  };
  if (kind == "logits") {
    needsOutput(model::Output::Logits, "logits");
    const int64_t columns = request_.columns.defined() ? request_.columns.size(1) : request_.pos;
    const auto rows =
        readIndices(environment_, property(env, object, "rows"), request_.batch * columns, "rows");
    const auto tokens = readIndices(environment_, property(env, object, "tokens"),
                                    model_->config().dVocab, "tokens");
    const BytesView weights = readTypedArray(env, property(env, object, "weights"));
    if (weights.type != napi_float32_array || weights.length != rows.size() ||
        tokens.size() != rows.size()) {
      throw Error(code::kArgument, "gradients: expected as many tokens and weights as rows");
    }
    Tensor weightTensor = empty({static_cast<int64_t>(rows.size())}, c10::kFloat);
    const auto* data = reinterpret_cast<const float*>(weights.data);
    std::copy(data, data + rows.size(), weightTensor.mutable_data_ptr<float>());
    return attribute::LogitTarget{indexTensor(rows), indexTensor(tokens), weightTensor};
  }
  if (kind == "loss") {
    needsOutput(model::Output::Loss, "loss");
    return attribute::LossTarget{};
  }
  if (kind == "feature") {
    attribute::FeatureTarget target;
    target.coder = readCoder(environment_, object, limits());
    target.point = readPoint(environment_, object, "point", limits());
    target.feature = readFeature(environment_, object, *target.coder);
    target.rows = indexTensor(readIndices(environment_, property(env, object, "rows"),
                                          request_.batch * request_.pos, "rows"));
    return target;
  }
  if (kind == "metric") {
    needsOutput(model::Output::Logits, "logits");
    return attribute::MetricTarget{};
  }
  throw Error(code::kArgument,
              "gradients: expected a target of logits, loss, feature or metric, got " + kind);
}

void ModelRun::differentiate(hooks::HookPlan& plan, const intervene::Compiled& compiled,
                             const std::function<void()>& addCache, const CancelToken& token) {
  for (const int32_t i : gradientSplices_)
    gradients_->splices.push_back(&compiled.splice(static_cast<size_t>(i)));
  if (auto* target = std::get_if<attribute::FeatureTarget>(&gradients_->target))
    target->splice = compiled.spliceOf(target->coder.get());
  if (auto* metric = std::get_if<attribute::MetricTarget>(&gradients_->target))
    metric->gradient = [&](const Tensor& logits) { return askMetric(hookTarget_, logits, token); };
  gradientResult_ =
      attribute::runWithGradients(*model_, request_, plan, *gradients_, addCache, result_, token);
}

void ModelRun::finishGradients(napi_env env, napi_value out) {
  auto& handles = environment_.handles();
  napi_value grads = nullptr, spliced = nullptr;
  napi_create_array_with_length(env, gradientResult_.grads.size(), &grads);
  for (size_t i = 0; i < gradientResult_.grads.size(); ++i)
    napi_set_element(env, grads, static_cast<uint32_t>(i),
                     handles.create(gradientResult_.grads[i]));
  napi_create_array_with_length(env, gradientResult_.spliced.size(), &spliced);
  for (size_t i = 0; i < gradientResult_.spliced.size(); ++i) {
    attribute::SplicedGradients& pair = gradientResult_.spliced[i];
    napi_value object = nullptr;
    napi_create_object(env, &object);
    napi_set_named_property(env, object, "features",
                            featuresHandle(handles, std::move(pair.features)));
    napi_set_named_property(env, object, "grads", featuresHandle(handles, std::move(pair.grads)));
    napi_set_element(env, spliced, static_cast<uint32_t>(i), object);
  }
  napi_set_named_property(env, out, "value", toJs(env, gradientResult_.value));
  napi_set_named_property(env, out, "grads", grads);
  napi_set_named_property(env, out, "spliced", spliced);
}

}  // namespace gemlens::binding
