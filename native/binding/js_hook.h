// JavaScript that a run waits for, hooks and metrics: the executor asks, the JS thread answers.
#pragma once

#include <memory>

#include "binding/arguments.h"
#include "binding/env.h"
#include "run/request.h"

namespace gemlens::binding {

// A function of the request; made and released on the JS thread.
class JsFunction {
 public:
  // `name` is what the request calls it.
  JsFunction(napi_env env, napi_value function, const char* name);
  void release();
  napi_value value() const;

 private:
  napi_env env_;
  napi_ref reference_ = nullptr;
};

// What the JS thread needs to call the functions of a run.
struct HookTarget {
  Environment* environment = nullptr;
  Executor* executor = nullptr;
  // Null if the request has none.
  std::shared_ptr<JsFunction> onHook, onMetric;
  const void* model = nullptr;
  int64_t parentCall = 0;
  std::shared_ptr<std::vector<Tensor>> uses = std::make_shared<std::vector<Tensor>>();
};

// The script that submitted a run.
class JsCaller final : public run::Caller {
 public:
  // JS thread. `object`: what the request was read from; `hasMetric`: it has `onMetric`. Nothing
  // after it may throw before the run is submitted, or the references to the functions would stay.
  JsCaller(Environment& environment, const run::Request& request, bool hasMetric,
           int64_t parentCall, napi_value object);
  // JS thread, when the run has been answered.
  void settled();

  Tensor hook(int index, const Tensor& x, const hooks::Position& position,
              const CancelToken& token) override;
  Tensor metric(const Tensor& logits, const CancelToken& token) override;

 private:
  std::shared_ptr<HookTarget> target_;
};

// hookSettle(callId, answer): answers a hook that returned `true`.
napi_value hookSettle(Arguments& args);

}  // namespace gemlens::binding
