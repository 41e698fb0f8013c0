// Notes at a hook point whether each row of the batch is finite, for the message of a run that
// ends in logits that are not. Nothing is read back until somebody asks, so a GPU never waits.
#pragma once

#include <utility>

#include "hooks/hook_plan.h"

namespace gemlens::hooks {

// Not finite where x is not finite at a real position of the row: [batch]. −∞ is legal in attention
// scores. `mask` [batch, pos] bool or undefined.
Tensor finiteMark(int point, const Tensor& x, const Tensor& mask);

class FiniteProbe final : public Action {
 public:
  FiniteProbe(Tensor mask, Tensor& mark) : mask_(std::move(mask)), mark_(mark) {}
  Tensor apply(const Tensor& x, const Position& position) override {
    mark_ = finiteMark(position.point, x.detach(), mask_);
    return x;
  }

 private:
  Tensor mask_;
  Tensor& mark_;
};

}  // namespace gemlens::hooks
