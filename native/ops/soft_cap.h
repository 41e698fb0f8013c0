// c · tanh(x / c): Gemma 2's bound on attention scores (50) and logits (30). A cap of 0 leaves x
// unchanged.
#pragma once

#include <c10/core/GradMode.h>

#include "base/aten.h"

namespace gemlens::ops {

inline Tensor softCap(const Tensor& x, double cap) {
  if (cap == 0) return x;
  const Tensor bounded = x.div(cap).tanh_();
  // tanh's derivative needs its result.
  return c10::GradMode::is_enabled() ? bounded.mul(cap) : bounded.mul_(cap);
}

}  // namespace gemlens::ops
