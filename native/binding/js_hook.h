// The JavaScript functions that a run waits for: hooks and a metric. The executor asks, the JS
// thread answers.
#pragma once

#include <memory>

#include "binding/arguments.h"
#include "binding/env.h"
#include "run/request.h"

namespace gemlens::binding {

// A reference to a function of the request. Make and release it on the JS thread.
class JsFunction {
 public:
  // `name` is the request's field.
  JsFunction(napi_env env, napi_value function, const char* name);
  void release();
  napi_value value() const;

 private:
  napi_env env_;
  napi_ref reference_ = nullptr;
};

// The state that the JS thread needs to call a run's functions.
struct HookTarget {
  Environment* environment = nullptr;
  Executor* executor = nullptr;
  // Null if the request has none.
  std::shared_ptr<JsFunction> onHook, onMetric;
  const void* model = nullptr;
  int64_t parentCall = 0;
  std::shared_ptr<std::vector<Tensor>> uses = std::make_shared<std::vector<Tensor>>();
};

// The functions of the script that submitted a run.
class JsCallbacks final : public run::Callbacks {
 public:
  // JS thread. `object` is the request's object; `hasMetric` is true if it has `onMetric`. Nothing
  // may throw between this and the submission of the run, or the function references would leak.
  JsCallbacks(Environment& environment, const run::Request& request, bool hasMetric,
              int64_t parentCall, napi_value object);
  // JS thread. Call it after the run has settled.
  void settled();

  Tensor hook(int index, const Tensor& x, const hooks::Firing& firing,
              const CancelToken& token) override;
  Tensor metric(const Tensor& logits, const CancelToken& token) override;

 private:
  std::shared_ptr<HookTarget> target_;
};

// hookSettle(callId, answer): answers a hook that returned `true`.
napi_value hookSettle(Arguments& args);

}  // namespace gemlens::binding
