// A hook of the script as an action of the plan.
#pragma once

#include <memory>
#include <utility>

#include "run/caller.h"

namespace gemlens::run {

class HookAction final : public hooks::Action {
 public:
  // Calls hook `index` of the request. The script may keep the tensor that the hook returns.
  HookAction(hooks::HookPlan& plan, std::shared_ptr<Caller> caller, int index,
             const CancelToken& token)
      : plan_(plan), caller_(std::move(caller)), index_(index), token_(token) {}
  Tensor apply(const Tensor& x, const hooks::Position& position) override;
  bool mayWrite() const override { return true; }

 private:
  Tensor ask(const Tensor& x, const hooks::Position& position);

  hooks::HookPlan& plan_;
  std::shared_ptr<Caller> caller_;
  int index_;
  const CancelToken& token_;
};

// Asks the script for its metric's gradient at the logits. Throws HOOK unless it has their shape,
// type and device.
Tensor askMetric(Caller& caller, const Tensor& logits, const CancelToken& token);

}  // namespace gemlens::run
