// The encoder of a JumpReLU sparse autoencoder (arXiv 2407.14435; Gemma Scope's tutorial):
//   pre = x·W_enc + b_enc,  f = relu(pre) if pre > threshold (strictly), else 0
// x [rows, d_in], W_enc [d_in, d_sae], b_enc and threshold [d_sae]. The result is CSR with
// ascending feature ids. Columns are computed in chunks, so [rows, d_sae] is never allocated.
#pragma once

#include <vector>

#include "base/aten.h"
#include "base/error.h"
#include "kernels/table.h"
#include "ops/matrix.h"

namespace gemlens::ops {

struct SparseRows {
  Tensor indptr;   // [rows + 1] int32
  Tensor indices;  // [nnz] int32
  Tensor values;   // [nnz] float32
};

// Thrown if an input or a feature's pre-activation is not finite: the active features are then
// undefined.
class NotFiniteRow final : public Error {
 public:
  NotFiniteRow(int64_t row, bool isFeature, int64_t index, float value);
  int64_t row() const { return row_; }
  bool isFeature() const { return isFeature_; }
  // The index of the feature or of the input's dimension.
  int64_t index() const { return index_; }
  const char* value() const;

 private:
  int64_t row_;
  bool isFeature_;
  int64_t index_;
  float value_;
};

// Throws NotFiniteRow if x has a NaN or an infinity, or a pre-activation is NaN or +infinity.
// Throws SHAPE if the widths differ. `realRows` [rows] bool or undefined: rows that are false get
// no features and are not checked.
SparseRows jumpReluEncode(const Tensor& x, const Matrix& wEnc, const Tensor& bEnc,
                          const Tensor& threshold, const Tensor& realRows);

// jumpReluEncodeCpu uses a CPU table's firing masks, row by row. jumpReluEncodeComposed uses only
// libtorch's operations, for other devices or if GEMLENS_ISA is "composed".
SparseRows jumpReluEncodeCpu(const kernels::Kernels& table, const Tensor& x, const Matrix& wEnc,
                             const Tensor& bEnc, const Tensor& threshold, const Tensor& realRows);
SparseRows jumpReluEncodeComposed(const Tensor& x, const Matrix& wEnc, const Tensor& bEnc,
                                  const Tensor& threshold, const Tensor& realRows);

}  // namespace gemlens::ops
