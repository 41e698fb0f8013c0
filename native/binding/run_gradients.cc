#include "binding/features.h"
#include "binding/run_forward.h"
#include "binding/run_request.h"
#include "binding/runs.h"
#include "run/gradients.h"

namespace gemlens::binding {
namespace {

using Ids = std::vector<int32_t>;

run::Target parseTarget(const ObjectParser& in) {
  const auto kind = in.get<std::string>("kind");
  if (kind == "logits") {
    return run::LogitTarget{in.get<Ids>("rows"), in.get<Ids>("tokens"),
                            in.get<std::vector<float>>("weights")};
  }
  if (kind == "loss") return run::LossTarget{};
  if (kind == "feature") {
    return run::FeatureTarget{in.get<CoderPtr>("coder"), in.get<int32_t>("feature"),
                              in.get<Ids>("rows")};
  }
  if (kind == "metric") return run::MetricTarget{};
  throw Error(code::kArgument,
              "gradients: expected a target of logits, loss, feature or metric, got " + kind);
}

napi_value writeGradients(Environment& environment, run::Gradients& result) {
  napi_env env = environment.env();
  HandleTable& handles = environment.handles();
  auto& [value, grads, spliced] = result.gradients;
  return writeForward(environment, result.run)
      .set("value", toJs(env, value))
      .set("grads",
           writeArray(env, grads, [&](const Tensor& grad) { return handles.create(grad); }))
      .set("spliced",
           writeArray(env, spliced,
                      [&](attribute::SplicedGradients& pair) {
                        return ObjectWriter(env)
                            .set("features", writeFeatures(environment, std::move(pair.features)))
                            .set("grads", writeFeatures(environment, std::move(pair.grads)))
                            .value();
                      }))
      .value();
}

napi_value modelGradients(Arguments& args) {
  const TaskContext context = parseContext(args, 3);
  Environment& environment = args.environment;
  run::Request request = parseRequest(args, context);
  const ObjectParser in(environment, args[2]);
  run::GradientRequest gradientRequest{in.get<Ids>("points"), in.get<Ids>("splices"),
                                       parseTarget(in.object("target"))};
  run::check(request, gradientRequest);
  const bool hasMetric = gradientRequest.hasMetric();
  return submitRun(
      args, std::move(request), context, hasMetric,
      [gradientRequest = std::move(gradientRequest)](const run::Request& request,
                                                     const CancelToken& token) {
        return run::differentiate(request, gradientRequest, token);
      },
      [&environment](run::Gradients& result) { return writeGradients(environment, result); });
}

}  // namespace

void exportRunGradients(Environment& environment, napi_value exports) {
  define<modelGradients>(environment, exports, "modelGradients");
}

}  // namespace gemlens::binding
