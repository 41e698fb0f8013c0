// A weight matrix W [n, m] that knows its storage form. All products with weights go through it, so
// a new form is one more case in matrix.cc. Dense is the only form so far. Copies share memory, as
// tensors do.
#pragma once

#include <utility>

#include "base/aten.h"

namespace gemlens::ops {

class Matrix {
 public:
  // Undefined, for a weight that the checkpoint lacks.
  Matrix() = default;
  // Implicit, because a tensor is a dense matrix.
  Matrix(Tensor dense) : dense_(std::move(dense)) {}

  bool defined() const { return dense_.defined(); }
  int64_t rowCount() const { return dense_.size(0); }
  int64_t columnCount() const { return dense_.size(1); }
  c10::ScalarType dtype() const { return dense_.scalar_type(); }
  c10::Device device() const { return dense_.device(); }

  // x · Wᵀ: [.., m] → [.., n].
  Tensor apply(const Tensor& x) const;
  // x · W: [.., n] → [.., m].
  Tensor applyTransposed(const Tensor& x) const;
  // W[ids]: [ids.., m].
  Tensor rows(const Tensor& ids) const;
  // W[:, ids].
  Tensor columns(const Tensor& ids) const;
  // The part of one attention head, `width` wide: rows of W_Q, W_K and W_V, columns of W_O.
  Matrix headRows(int64_t head, int64_t width) const;
  Matrix headColumns(int64_t head, int64_t width) const;
  // The whole matrix as a tensor, for callers that no method above serves. A dense matrix returns
  // its own memory, not a copy.
  const Tensor& dense() const { return dense_; }
  int64_t bytes() const;

 private:
  Tensor dense_;
};

}  // namespace gemlens::ops
