// A hook of the caller's as an action of the plan.
#pragma once

#include <memory>
#include <utility>

#include "run/caller.h"

namespace gemlens::run {

class HookAction final : public hooks::Action {
 public:
  // The caller's hook number `index`; a tensor that it puts in is the caller's too.
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

// The gradient at the logits that the caller's metric answers with. Throws HOOK unless it is of
// their shape, type and device.
Tensor askMetric(Caller& caller, const Tensor& logits, const CancelToken& token);

}  // namespace gemlens::run
