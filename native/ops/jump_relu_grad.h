// Gradients of the JumpReLU coder at its active entries. The derivative of a feature with respect
// to its pre-activation is 1 if it is active, else 0 (arXiv 2407.14435; the threshold's
// pseudo-derivative is for training only). The active entries are found first, without gradients.
#pragma once

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::ops {

// `active.values` [nnz] as a function of x [rows, d_in]: ∂/∂x = Σ_j grad[j]·W_enc[:, indices[j]].
Tensor activeValues(const Tensor& x, const SparseRows& active, const Matrix& wEnc);
// Σ_j values[j]·W_dec[indices[j]] by row, [rows, d_out] float32, as a function of `values`.
Tensor decodeValues(const Tensor& values, const SparseRows& active, const Matrix& wDec);

}  // namespace gemlens::ops
