// Parses a run's request on the JS thread, and submits it.
#pragma once

#include <memory>
#include <utility>

#include "binding/js_hook.h"
#include "binding/parse.h"
#include "binding/tasks.h"
#include "run/check.h"
#include "run/request.h"

namespace gemlens::binding {

// Parses and checks the request of a run: the first argument is the model, the second the request.
// Throws BUSY inside a hook of this model's own run.
run::Request parseRequest(Arguments& args, const TaskContext& context);

// Submits a run. `outcome(request, token)` runs on the executor's thread; its result goes to
// `write` on the JS thread. `hasMetric` is true if the request has a metric.
template <typename Outcome, typename Write>
napi_value submitRun(Arguments& args, run::Request request, const TaskContext& context,
                     bool hasMetric, Outcome outcome, Write write) {
  Environment& environment = args.environment;
  TaskOptions options;
  options.uses = run::inputsOf(request);
  if (hasMetric || !request.hooks.empty()) {
    const auto callbacks =
        std::make_shared<JsCallbacks>(environment, request, hasMetric, context.call, args[1]);
    request.callbacks = callbacks;
    options.onSettled = [callbacks] { callbacks->settled(); };
  }
  const auto device = request.model->device();
  return submit(
      environment, device, context,
      [request = std::move(request), outcome = std::move(outcome), write,
       &environment](const CancelToken& token) -> Finish {
        auto result = std::make_shared<decltype(outcome(request, token))>(outcome(request, token));
        return [result, write, kv = request.kv, &environment](napi_env) {
          if (kv) environment.handles().recount(kv);
          return write(*result);
        };
      },
      std::move(options));
}

}  // namespace gemlens::binding
