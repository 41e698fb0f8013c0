// Reads a hook point through a coder inside the run.
#pragma once

#include <memory>

#include "coder/jump_relu_coder.h"
#include "hooks/hook_plan.h"

namespace gemlens::coder {

class EncodeAction final : public hooks::Action {
 public:
  EncodeAction(std::shared_ptr<const JumpReluCoder> coder, Tensor rowReal, Features& slot)
      : coder_(std::move(coder)), rowReal_(std::move(rowReal)), slot_(slot) {}
  Tensor apply(const Tensor& x, const hooks::Position& position) override {
    slot_ = coder_->encode(x.detach(), rowReal_, {hooks::pointName(position.point), {}});
    return x;
  }

 private:
  std::shared_ptr<const JumpReluCoder> coder_;
  Tensor rowReal_;
  Features& slot_;
};

}  // namespace gemlens::coder
