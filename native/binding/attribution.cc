#include "binding/attribution.h"

#include "attribute/patch_estimates.h"
#include "attribute/rebuilt_statistics.h"
#include "attribute/residual_parts.h"
#include "base/dtype.h"
#include "binding/parse.h"
#include "binding/tasks.h"
#include "binding/typed_array.h"
#include "binding/write.h"

namespace gemlens::binding {
namespace {

napi_value rebuiltStatistics(Arguments& args) {
  const Tensor x = args.handles().tensor(args[0]);
  const Tensor rebuilt = args.handles().tensor(args[1]);
  attribute::checkRebuilt(x, rebuilt);
  return submit(args.environment, x.device(), parseContext(args, 2),
                [x, rebuilt](const CancelToken& token) -> Finish {
                  const auto result = std::make_shared<attribute::RebuiltStatistics>(
                      attribute::rebuiltStatistics(x, rebuilt, token));
                  return [result](napi_env env) {
                    return ObjectWriter(env)
                        .set("error", copyArray(env, result->error))
                        .set("square", copyArray(env, result->square))
                        .set("made", copyArray(env, result->made))
                        .set("dot", copyArray(env, result->dot))
                        .set("sums", copyArray(env, result->sums))
                        .value();
                  };
                },
                {{x, rebuilt}, {}});
}

napi_value residualParts(Arguments& args) {
  Environment& environment = args.environment;
  const bool heads = parse<std::string>(environment, args[0]) == "heads";
  const Tensor act = args.handles().tensor(args[1]), weight = args.handles().tensor(args[2]);
  const Tensor gain = args.handles().tensor(args[3]), scale = args.handles().tensor(args[4]);
  const auto type = dtypeFromName(parse<std::string>(environment, args[5]));
  attribute::checkParts(act, weight, gain, scale, heads);
  return submit(environment, act.device(), parseContext(args, 6),
                [=, &environment](const CancelToken&) -> Finish {
                  const Tensor factor = gain.to(type).div(scale.to(type));
                  const auto parts = heads ? &attribute::headParts : &attribute::neuronParts;
                  const Tensor out = parts(act.to(type), weight.to(type), factor);
                  return finishHandle(environment, out);
                },
                {{act, weight, gain, scale}, {}});
}

napi_value patchEstimates(Arguments& args) {
  const Tensor source = args.handles().tensor(args[0]), own = args.handles().tensor(args[1]);
  const Tensor gradient = args.handles().tensor(args[2]);
  const auto headAxis = parse<int64_t>(args.environment, args[3]);
  attribute::checkEstimates(source, own, gradient, headAxis);
  return submit(args.environment, source.device(), parseContext(args, 4),
                [=](const CancelToken&) -> Finish {
                  const auto result = std::make_shared<std::vector<double>>(
                      attribute::patchEstimates(source, own, gradient, headAxis));
                  return [result](napi_env env) { return copyArray(env, *result); };
                },
                {{source, own, gradient}, {}});
}

}  // namespace

void exportAttribution(Environment& environment, napi_value exports) {
  define<rebuiltStatistics>(environment, exports, "rebuiltStatistics");
  define<residualParts>(environment, exports, "residualParts");
  define<patchEstimates>(environment, exports, "patchEstimates");
}

}  // namespace gemlens::binding
