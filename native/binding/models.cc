#include <limits>
#include <memory>

#include "base/device.h"
#include "base/dtype.h"
#include "binding/readout.h"
#include "binding/run_request.h"
#include "binding/sources.h"
#include "binding/tasks.h"
#include "binding/tensors.h"

namespace gemlens::binding {
namespace {

model::ModelConfig readConfig(napi_env env, napi_value object) {
  const auto integer = [&](const char* name) { return readInt(env, property(env, object, name)); };
  const auto number = [&](const char* name) {
    return readNumber(env, property(env, object, name));
  };
  const auto list = [&](const char* name) {
    Napi::Array array = Napi::Value(env, property(env, object, name)).As<Napi::Array>();
    std::vector<double> out;
    for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(readNumber(env, array.Get(i)));
    return out;
  };
  model::ModelConfig config;
  config.dModel = integer("dModel");
  config.heads = integer("nHeads");
  config.kvHeads = integer("nKeyValueHeads");
  config.dHead = integer("dHead");
  config.dMlp = integer("dMlp");
  config.dVocab = integer("dVocab");
  config.eps = number("eps");
  config.attnScale = number("attnScale");
  config.attnSoftcap = number("attnSoftcap");
  config.finalSoftcap = number("finalSoftcap");
  config.qkNorm = readBool(env, property(env, object, "qkNorm"));
  const int64_t layers = integer("nLayers");
  const auto windows = list("windows"), bases = list("ropeBases"), scales = list("ropeScales");
  const auto count = static_cast<size_t>(layers);
  if (layers < 1 || windows.size() != count || bases.size() != count || scales.size() != count) {
    throw Error(code::kArgument, concat("model: expected windows, ropeBases and ropeScales for ",
                                        layers, " layers"));
  }
  for (size_t i = 0; i < count; ++i)
    config.layers.push_back({static_cast<int64_t>(windows[i]), bases[i], scales[i]});
  if (config.heads < 1 || config.kvHeads < 1 || config.heads % config.kvHeads != 0 ||
      config.dHead < 2 || config.dHead % 2 != 0 || config.dModel < 1 || config.dVocab < 1 ||
      config.dMlp < 1) {
    throw Error(code::kCheckpoint,
                "model: expected positive sizes, heads a multiple of key heads and an even d_head");
  }
  return config;
}

Tensor tokenTensor(const ModelPtr& model, const Int32View& ids, int64_t batch, int64_t pos) {
  if (batch < 1 || pos < 1 || static_cast<int64_t>(ids.size) != batch * pos) {
    throw Error(code::kShape,
                concat("embed: expected ", batch, " · ", pos, " token ids, got ", ids.size));
  }
  Tensor tokens = empty({batch, pos}, c10::kLong);
  int64_t* out = tokens.mutable_data_ptr<int64_t>();
  for (size_t i = 0; i < ids.size; ++i) {
    if (ids.data[i] < 0 || ids.data[i] >= model->config().dVocab) {
      throw Error(code::kArgument, concat("embed: expected token ids in 0 ≤ id < ",
                                          model->config().dVocab, ", got ", ids.data[i]));
    }
    out[i] = ids.data[i];
  }
  return tokens;
}

napi_value modelLoad(Arguments& args) {
  napi_env env = args.env();
  auto config = std::make_shared<model::ModelConfig>(readConfig(env, args[0]));
  auto sources = std::make_shared<std::vector<checkpoint::WeightSource>>();
  uint32_t length = 0;
  if (napi_get_array_length(env, args[1], &length) != napi_ok)
    throw Error(code::kArgument, "model: expected tensors");
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, args[1], i, &element);
    sources->push_back(readSource(env, element));
  }
  const auto device = deviceFromName(readString(env, property(env, args[2], "device")));
  const std::string dtype = readString(env, property(env, args[2], "dtype"));
  if (dtype != "auto") dtypeFromName(dtype);
  Environment& environment = args.environment;
  environment.handles().beforeLoad();
  return submit(
      environment, device, readContext(args, 3),
      [config, sources, dtype, device, &environment](const CancelToken& token) -> Finish {
        ModelPtr model =
            std::make_shared<const model::Transformer>(*config, *sources, dtype, device, token);
        return [model, &environment](napi_env) { return environment.handles().create(model); };
      });
}

napi_value modelInfo(Arguments& args) {
  napi_env env = args.env();
  const ModelPtr model = args.handles().model(args[0]);
  napi_value info = nullptr;
  napi_create_object(env, &info);
  napi_set_named_property(env, info, "dtype", toJs(env, std::string(dtypeName(model->dtype()))));
  napi_set_named_property(env, info, "device", toJs(env, deviceName(model->device())));
  napi_set_named_property(env, info, "bytes",
                          toJs(env, static_cast<double>(model->weights().bytes())));
  napi_value tied = nullptr;
  napi_get_boolean(env, model->weights().tied(), &tied);
  napi_set_named_property(env, info, "tied", tied);
  return info;
}

napi_value modelParameter(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const napi_value handle =
      args.handles().create(model->weights().parameter(readString(args.env(), args[1])));
  args.handles().freeze(handle);
  return handle;
}

napi_value submitRun(Arguments& args, napi_value gradients, const TaskContext& context) {
  const ModelPtr model = args.handles().model(args[0]);
  Environment& environment = args.environment;
  auto run = std::make_shared<ModelRun>(environment, model, args[1], gradients, context);
  TaskOptions options;
  options.uses = run->inputs();
  options.onSettled = [run] { run->settled(); };
  return submit(
      environment, model->device(), context,
      [run](const CancelToken& token) -> Finish {
        run->execute(token);
        return [run](napi_env env) { return run->finish(env); };
      },
      std::move(options));
}

napi_value modelRun(Arguments& args) { return submitRun(args, nullptr, readContext(args, 2)); }

napi_value modelGradients(Arguments& args) {
  return submitRun(args, args[2], readContext(args, 3));
}

napi_value modelEmbed(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor tokens = tokenTensor(model, readInt32Array(args.env(), args[1]),
                                    readInt(args.env(), args[2]), readInt(args.env(), args[3]));
  Environment& environment = args.environment;
  return submit(environment, model->device(), readContext(args, 4),
                [model, tokens, &environment](const CancelToken&) -> Finish {
                  const Tensor out = model->embed(tokens.to(model->device()));
                  return
                      [out, &environment](napi_env) { return environment.handles().create(out); };
                });
}

}  // namespace

void checkResidual(const char* what, const ModelPtr& model, const Tensor& x) {
  if (x.dim() < 1 || x.size(-1) != model->config().dModel) {
    throw Error(code::kShape,
                concat(what, ": expected [.., ", model->config().dModel, "] for input, got ",
                       formatShape(x.sizes())),
                {{"expected", Shape{model->config().dModel}}, {"got", x.sizes().vec()}});
  }
  if (x.device() != model->device()) {
    throw Error(code::kDevice, concat(what, ": expected a tensor on ", deviceName(model->device()),
                                      ", got one on ", deviceName(x.device())));
  }
}

namespace {

template <Tensor (model::Transformer::*method)(const Tensor&) const>
napi_value applyToResidual(Arguments& args, const char* what) {
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  checkResidual(what, model, x);
  Environment& environment = args.environment;
  return submit(environment, model->device(), readContext(args, 2),
                [model, x, &environment](const CancelToken&) -> Finish {
                  const Tensor out = ((*model).*method)(x.to(model->dtype()));
                  return
                      [out, &environment](napi_env) { return environment.handles().create(out); };
                },
                {{x}, {}});
}

napi_value modelFinalNorm(Arguments& args) {
  return applyToResidual<&model::Transformer::finalNorm>(args, "finalNorm");
}

napi_value modelUnembed(Arguments& args) {
  return applyToResidual<&model::Transformer::unembed>(args, "unembed");
}

napi_value kvCacheCreate(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const int64_t batch = readInt(args.env(), args[1]), capacity = readInt(args.env(), args[2]);
  // Positions are 32 bits wide.
  if (batch < 1 || capacity < 1 || capacity > std::numeric_limits<int32_t>::max() / batch) {
    throw Error(code::kArgument, concat("kvCache: expected 1 ≤ batch · capacity < 2³¹, got ", batch,
                                        " · ", capacity));
  }
  model::KvGrowth growth;
  if (!args.absent(3)) {
    const auto set = [&](const char* name, int64_t& value) {
      if (napi_value given = optionalProperty(args.env(), args[3], name))
        value = readInt(args.env(), given);
    };
    set("block", growth.block);
    set("maxBytes", growth.maxBytes);
  }
  if (growth.block < 1 || growth.maxBytes < 0) {
    throw Error(code::kArgument, concat("kvCache: expected block ≥ 1 and maxBytes ≥ 0, got ",
                                        growth.block, ", ", growth.maxBytes));
  }
  return args.handles().create(std::make_shared<model::KvCache>(
      model->config(), model->dtype(), model->device(), batch, capacity, growth));
}

napi_value kvCacheLength(Arguments& args) {
  return toJs(args.env(), static_cast<double>(args.handles().kvCache(args[0])->length()));
}

napi_value drain(Arguments& args) {
  const auto device = deviceFromName(readString(args.env(), args[0]));
  return submit(args.environment, device, {},
                [](const CancelToken&) -> Finish { return jsUndefined; });
}

napi_value hookPoints(Arguments& args) {
  Napi::Env env(args.env());
  const auto list = [&](const auto& names) {
    Napi::Array array = Napi::Array::New(env, names.size());
    for (size_t i = 0; i < names.size(); ++i)
      array.Set(static_cast<uint32_t>(i), std::string(names[i]));
    return array;
  };
  Napi::Object out = Napi::Object::New(env);
  out.Set("global", list(hooks::globalPointNames()));
  out.Set("block", list(hooks::blockPointNames()));
  return out;
}

}  // namespace

void exportModels(Environment& environment, napi_value exports) {
  define<modelLoad>(environment, exports, "modelLoad");
  define<modelInfo>(environment, exports, "modelInfo");
  define<modelParameter>(environment, exports, "modelParameter");
  define<modelRun>(environment, exports, "modelRun");
  define<modelGradients>(environment, exports, "modelGradients");
  define<modelEmbed>(environment, exports, "modelEmbed");
  define<modelFinalNorm>(environment, exports, "modelFinalNorm");
  define<modelUnembed>(environment, exports, "modelUnembed");
  exportReadout(environment, exports);
  define<kvCacheCreate>(environment, exports, "kvCacheCreate");
  define<kvCacheLength>(environment, exports, "kvCacheLength");
  define<drain>(environment, exports, "drain");
  define<hookPoints>(environment, exports, "hookPoints");
  define<hookSettle>(environment, exports, "hookSettle");
}

}  // namespace gemlens::binding
