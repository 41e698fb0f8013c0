// JavaScript that a run waits for, hooks and metrics: the executor asks, the JS thread answers.
#pragma once

#include <memory>

#include "binding/arguments.h"
#include "binding/env.h"
#include "hooks/hook_plan.h"

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

struct HookTarget {
  Environment* environment = nullptr;
  Executor* executor = nullptr;
  // Null if the request has none.
  std::shared_ptr<JsFunction> onHook, onMetric;
  const void* model = nullptr;
  int64_t parentCall = 0;
  std::shared_ptr<std::vector<Tensor>> uses = std::make_shared<std::vector<Tensor>>();
};

class JsHookAction final : public hooks::Action {
 public:
  JsHookAction(hooks::HookPlan& plan, std::shared_ptr<const HookTarget> target, int index,
               const CancelToken& token)
      : plan_(plan), target_(std::move(target)), index_(index), token_(token) {}
  Tensor apply(const Tensor& x, const hooks::Position& position) override;
  bool mayWrite() const override { return true; }

 private:
  Tensor ask(const Tensor& x, const hooks::Position& position);

  hooks::HookPlan& plan_;
  std::shared_ptr<const HookTarget> target_;
  int index_;
  const CancelToken& token_;
};

// The gradient at `logits` that `onMetric` answers with.
Tensor askMetric(const std::shared_ptr<const HookTarget>& target, const Tensor& logits,
                 const CancelToken& token);

// hookSettle(callId, answer): answers a hook that returned `true`.
napi_value hookSettle(Arguments& args);

}  // namespace gemlens::binding
