// A hook of the script as an action of the plan.
#pragma once

#include <memory>
#include <utility>

#include "run/callbacks.h"

namespace gemlens::run {

class HookAction final : public hooks::Action {
 public:
  // Calls hook `index` of the request. The script may keep the tensor that the hook returns.
  HookAction(hooks::HookPlan& plan, std::shared_ptr<Callbacks> callbacks, int index,
             const CancelToken& token)
      : plan_(plan), callbacks_(std::move(callbacks)), index_(index), token_(token) {}
  Tensor apply(const Tensor& x, const hooks::Firing& firing) override;
  bool mayWrite() const override { return true; }

 private:
  Tensor ask(const Tensor& x, const hooks::Firing& firing);

  hooks::HookPlan& plan_;
  std::shared_ptr<Callbacks> callbacks_;
  int index_;
  const CancelToken& token_;
};

// Asks the script for its metric's gradient at the logits. Throws HOOK unless it has their shape,
// type and device.
Tensor askMetric(Callbacks& callbacks, const Tensor& logits, const CancelToken& token);

}  // namespace gemlens::run
