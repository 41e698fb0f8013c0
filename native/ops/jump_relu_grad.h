// The JumpReLU coder with gradients, at its active entries alone: where a feature is active its
// derivative by the pre-activation is 1, elsewhere 0 (arXiv 2407.14435; the threshold's own
// pseudo-derivative is for training). The entries are found without gradients first.
#pragma once

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::ops {

// `active.values` [nnz] as a function of x [rows, d_in]: ∂/∂x = Σ_j grad[j]·W_enc[:, indices[j]].
Tensor activeValues(const Tensor& x, const SparseRows& active, const Matrix& wEnc);
// Σ_j values[j]·W_dec[indices[j]] by row, [rows, d_out] float32, as a function of `values`.
Tensor decodeValues(const Tensor& values, const SparseRows& active, const Matrix& wDec);

}  // namespace gemlens::ops
