// Root-mean-square normalisation as in Gemma, in float32 (float64 for float64):
//   scale = √(mean_d(x²) + eps)   normalized = x / scale   out = normalized · (1 + w)
// x [.., d], w [d] float32 as stored (without the 1), scale [.., 1]. (arXiv 1910.07467;
// Gemma2RMSNorm in transformers: the product with the gain is rounded to the input's type once, at
// the end.)
#pragma once

#include "base/aten.h"

namespace gemlens::ops {

// [.., d] in x's type. `gain` is 1 + w, float32.
Tensor rmsNorm(const Tensor& x, const Tensor& gain, double eps);
// [.., 1] float32.
Tensor rmsScale(const Tensor& x, double eps);
// x / scale, float32.
Tensor rmsNormalize(const Tensor& x, const Tensor& scale);
// normalized · gain, rounded to `type`.
Tensor rmsApplyGain(const Tensor& normalized, const Tensor& gain, c10::ScalarType type);

}  // namespace gemlens::ops
