// Products of CSR rows with a table [n, d] of float32, float16 or bfloat16, sums in float32:
//   decode  out[r] = Σ_j values[j]·table[indices[j]],  indptr[r] ≤ j < indptr[r+1]    [rows, d]
//   dots    out[j] = ⟨g[r], table[indices[j]]⟩ for r the row of j                      [nnz]
// Each is the other's derivative: ∂decode/∂values is dots.
#pragma once

#include "base/aten.h"
#include "ops/jump_relu.h"
#include "ops/matrix.h"

namespace gemlens::ops {

Tensor sparseDecode(const SparseRows& rows, const Matrix& table);
Tensor sparseDots(const SparseRows& rows, const Matrix& table, const Tensor& g);

// The form composed of libtorch's operations, used if the device's table has no kernel.
Tensor sparseDotsComposed(const SparseRows& rows, const Matrix& table, const Tensor& g);

}  // namespace gemlens::ops
