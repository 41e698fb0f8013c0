// Rotary position embedding, half-split as in transformers (arXiv 2104.09864):
//   θ_j = base^(−2j/d_head), angle = (position / scale) · θ_j
//   out[j] = x[j]·cos − x[j + d/2]·sin,  out[j + d/2] = x[j + d/2]·cos + x[j]·sin
// x [batch, pos, heads, d_head]; angles in float32, one rounding to x's type.
#pragma once

#include "base/aten.h"

namespace gemlens::ops {

struct RopeTable {
  Tensor cos;  // [batch or 1, pos, 1, d_head/2] float32
  Tensor sin;
};

// positions [batch or 1, pos] int64.
RopeTable ropeTable(const Tensor& positions, int64_t dHead, double base, double scale);
Tensor rope(const Tensor& x, const RopeTable& table);

}  // namespace gemlens::ops
