// Records at a hook point whether each row of the batch is finite, for the error of a run with
// non-finite logits. Marks are copied to the host only on request, so a GPU never waits.
#pragma once

#include <utility>

#include "hooks/hook_plan.h"

namespace gemlens::hooks {

// Returns [batch]: a row's mark is not finite if x is not finite at one of its real positions. −∞
// is legal in attention scores. `mask` [batch, pos] bool or undefined.
Tensor finiteMark(int point, const Tensor& x, const Tensor& mask);

class FiniteProbe final : public Action {
 public:
  FiniteProbe(Tensor mask, Tensor& mark) : mask_(std::move(mask)), mark_(mark) {}
  Tensor apply(const Tensor& x, const Firing& firing) override {
    mark_ = finiteMark(firing.point, x.detach(), mask_);
    return x;
  }

 private:
  Tensor mask_;
  Tensor& mark_;
};

}  // namespace gemlens::hooks
