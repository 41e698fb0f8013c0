#include "binding/run_forward.h"

#include "binding/features.h"
#include "binding/run_request.h"
#include "binding/runs.h"
#include "binding/typed_array.h"

namespace gemlens::binding {

ObjectWriter writeForward(Environment& environment, run::Forward& run) {
  napi_env env = environment.env();
  HandleTable& handles = environment.handles();
  ObjectWriter out(env);
  out.set("cache", writeArray(env, run.recorded.cache,
                              [&](const Tensor& entry) { return handles.create(entry); }));
  out.set("features", writeArray(env, run.recorded.features, [&](coder::Features& features) {
            return writeFeatures(environment, std::move(features));
          }));
  const auto& [output, sample] = run.result;
  if (output.defined()) out.set("output", handles.create(output));
  if (sample) {
    out.set("tokens", copyArray(env, sample->tokens));
    out.set("logprobs", copyArray(env, sample->logprobs));
  }
  return out;
}

namespace {

napi_value modelRun(Arguments& args) {
  const TaskContext context = parseContext(args, 2);
  Environment& environment = args.environment;
  return submitRun(
      args, parseRequest(args, context), context, /*hasMetric=*/false, &run::forward,
      [&environment](run::Forward& run) { return writeForward(environment, run).value(); });
}

}  // namespace

void exportRunForward(Environment& environment, napi_value exports) {
  define<modelRun>(environment, exports, "modelRun");
}

}  // namespace gemlens::binding
