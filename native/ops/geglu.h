// gelu_tanh(gate) · up (arXiv 2002.05202), elementwise.
#pragma once

#include <c10/core/GradMode.h>

#include "base/aten.h"

namespace gemlens::ops {

inline Tensor geglu(const Tensor& gate, const Tensor& up) {
  const Tensor active = geluTanh(gate);
  // up's gradient needs gelu's result.
  return c10::GradMode::is_enabled() ? active.mul(up) : active.mul_(up);
}

}  // namespace gemlens::ops
