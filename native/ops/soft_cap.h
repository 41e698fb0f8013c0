// c · tanh(x / c): Gemma 2's bound on attention scores (50) and logits (30). cap 0 is none.
#pragma once

#include "base/aten.h"

namespace gemlens::ops {

inline Tensor softCap(const Tensor& x, double cap) {
  return cap == 0 ? x : x.div(cap).tanh_().mul_(cap);
}

}  // namespace gemlens::ops
