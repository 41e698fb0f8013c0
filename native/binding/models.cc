#include <memory>

#include "base/device.h"
#include "base/dtype.h"
#include "binding/attribution.h"
#include "binding/interventions.h"
#include "binding/js_hook.h"
#include "binding/parse.h"
#include "binding/readout.h"
#include "binding/runs.h"
#include "binding/sources.h"
#include "binding/tasks.h"
#include "binding/tensors.h"
#include "binding/write.h"
#include "model/inputs.h"

namespace gemlens::binding {
namespace {

model::ModelConfig parseConfig(const ObjectParser& in) {
  model::ModelConfig config;
  config.dModel = in.get<int64_t>("dModel");
  config.heads = in.get<int64_t>("nHeads");
  config.kvHeads = in.get<int64_t>("nKeyValueHeads");
  config.dHead = in.get<int64_t>("dHead");
  config.dMlp = in.get<int64_t>("dMlp");
  config.dVocab = in.get<int64_t>("dVocab");
  config.eps = in.get<double>("eps");
  config.attnScale = in.get<double>("attnScale");
  config.attnSoftcap = in.get<double>("attnSoftcap");
  config.finalSoftcap = in.get<double>("finalSoftcap");
  config.qkNorm = in.get<bool>("qkNorm");
  const auto layers = in.get<int64_t>("nLayers");
  const auto windows = in.get<std::vector<double>>("windows");
  const auto bases = in.get<std::vector<double>>("ropeBases");
  const auto scales = in.get<std::vector<double>>("ropeScales");
  const auto count = static_cast<size_t>(layers);
  if (layers < 1 || windows.size() != count || bases.size() != count || scales.size() != count) {
    throw Error(code::kArgument, concat("model: expected windows, ropeBases and ropeScales for ",
                                        layers, " layers"));
  }
  for (size_t i = 0; i < count; ++i)
    config.layers.push_back({static_cast<int64_t>(windows[i]), bases[i], scales[i]});
  model::check(config);
  return config;
}

napi_value modelLoad(Arguments& args) {
  auto config =
      std::make_shared<model::ModelConfig>(parseConfig(ObjectParser(args.environment, args[0])));
  auto sources = std::make_shared<std::vector<checkpoint::WeightSource>>();
  forEach(args.env(), args[1],
          [&](napi_value element) { sources->push_back(parseSource(args.env(), element)); });
  const ObjectParser options(args.environment, args[2]);
  const auto device = deviceFromName(options.get<std::string>("device"));
  const auto dtype = options.get<std::string>("dtype");
  if (dtype != "auto") dtypeFromName(dtype);
  Environment& environment = args.environment;
  environment.handles().beforeLoad();
  return submit(environment, device, parseContext(args, 3),
                [config, sources, dtype, device, &environment](const CancelToken& token) -> Finish {
                  ModelPtr model = std::make_shared<const model::Transformer>(*config, *sources,
                                                                              dtype, device, token);
                  return finishHandle(environment, model);
                });
}

napi_value modelInfo(Arguments& args) {
  napi_env env = args.env();
  const ModelPtr model = args.handles().model(args[0]);
  return ObjectWriter(env)
      .set("dtype", toJs(env, std::string(dtypeName(model->dtype()))))
      .set("device", toJs(env, deviceName(model->device())))
      .set("bytes", toJs(env, static_cast<double>(model->weights().bytes())))
      .set("tied", jsBool(env, model->weights().tied()))
      .value();
}

napi_value modelParameter(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const napi_value handle =
      args.handles().create(model->weights().parameter(parseString(args.env(), args[1])));
  args.handles().freeze(handle);
  return handle;
}

// Submits work that returns one tensor.
napi_value submitTensor(Environment& environment, const ModelPtr& model, const TaskContext& context,
                        std::function<Tensor()> work, std::vector<Tensor> uses) {
  return submit(environment, model->device(), context,
                [work = std::move(work), &environment](const CancelToken&) -> Finish {
                  return finishHandle(environment, work());
                },
                {std::move(uses), {}});
}

napi_value modelEmbed(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor tokens =
      model::tokenTensor(*model, parse<std::vector<int32_t>>(args.environment, args[1]),
                         parseInt(args.env(), args[2]), parseInt(args.env(), args[3]));
  return submitTensor(args.environment, model, parseContext(args, 4),
                      [model, tokens] { return model->embed(tokens.to(model->device())); }, {});
}

template <Tensor (model::Transformer::*method)(const Tensor&) const>
napi_value applyToResidual(Arguments& args, const char* caller) {
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  model::checkResidual(caller, *model, x);
  return submitTensor(args.environment, model, parseContext(args, 2),
                      [model, x] { return ((*model).*method)(x.to(model->dtype())); }, {x});
}

napi_value modelFinalNorm(Arguments& args) {
  return applyToResidual<&model::Transformer::finalNorm>(args, "finalNorm");
}

napi_value modelUnembed(Arguments& args) {
  return applyToResidual<&model::Transformer::unembed>(args, "unembed");
}

napi_value kvCacheCreate(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  model::KvGrowth growth;
  if (!args.absent(3)) {
    const ObjectParser in(args.environment, args[3]);
    in.into("block", growth.block);
    in.into("maxBytes", growth.maxBytes);
  }
  return args.handles().create(std::make_shared<model::KvCache>(
      model->config(), model->dtype(), model->device(), parseInt(args.env(), args[1]),
      parseInt(args.env(), args[2]), growth));
}

napi_value kvCacheLength(Arguments& args) {
  return toJs(args.env(), static_cast<double>(args.handles().kvCache(args[0])->length()));
}

napi_value drain(Arguments& args) {
  const auto device = deviceFromName(parseString(args.env(), args[0]));
  return submit(args.environment, device, {},
                [](const CancelToken&) -> Finish { return jsUndefined; });
}

napi_value hookPoints(Arguments& args) {
  napi_env env = args.env();
  const auto list = [&](const auto& names) {
    return writeArray(env, names,
                      [&](std::string_view name) { return toJs(env, std::string(name)); });
  };
  return ObjectWriter(env)
      .set("global", list(hooks::globalPointNames()))
      .set("block", list(hooks::blockPointNames()))
      .value();
}

}  // namespace

void exportModels(Environment& environment, napi_value exports) {
  define<modelLoad>(environment, exports, "modelLoad");
  define<modelInfo>(environment, exports, "modelInfo");
  define<modelParameter>(environment, exports, "modelParameter");
  define<modelEmbed>(environment, exports, "modelEmbed");
  define<modelFinalNorm>(environment, exports, "modelFinalNorm");
  define<modelUnembed>(environment, exports, "modelUnembed");
  exportInterventions(environment, exports);
  exportRunForward(environment, exports);
  exportRunGradients(environment, exports);
  define<hookSettle>(environment, exports, "hookSettle");
  exportReadout(environment, exports);
  exportAttribution(environment, exports);
  define<kvCacheCreate>(environment, exports, "kvCacheCreate");
  define<kvCacheLength>(environment, exports, "kvCacheLength");
  define<drain>(environment, exports, "drain");
  define<hookPoints>(environment, exports, "hookPoints");
}

}  // namespace gemlens::binding
