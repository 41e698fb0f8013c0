#include "ops/matrix.h"

namespace gemlens::ops {
namespace {

// True if W · xᵀ is faster than x · Wᵀ for this many rows of x. The products are the same, but
// libraries split them among threads along the longer side, which is the weight's, and read the
// weight once. Measured with MKL and oneDNN of libtorch 2.15, 2 threads, gemma-2-2b's shapes
// (speed-up): float32 2.3 at 2 rows, 1.6 at 4, 1.3 at 16 and 32, 1.2 at 64 and 128, 1.1 at 256, 1.0
// at 1 and 512; bfloat16 0.8 at 4, 1.0 at 8, 1.2 at 16 and 32, 1.0 at 64, 0.9 at 512.
bool isWeightFirstFaster(const Tensor& x, int64_t rows) {
  if (!x.is_cpu()) return false;
  if (x.scalar_type() == c10::kFloat) return rows >= 2 && rows <= 256;
  return x.scalar_type() == c10::kBFloat16 && rows >= 12 && rows <= 64;
}

}  // namespace

Tensor Matrix::apply(const Tensor& x) const {
  const int64_t in = columnCount();
  const int64_t rows = in == 0 ? 0 : x.numel() / in;
  if (!isWeightFirstFaster(x, rows)) return linear(x, dense_);
  const Tensor product = dense_.mm(x.reshape({rows, in}).t());
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = rowCount();
  return product.t().contiguous().view(shape);
}

Tensor Matrix::applyTransposed(const Tensor& x) const { return x.matmul(dense_); }

Tensor Matrix::rows(const Tensor& ids) const { return dense_.index_select(0, ids); }

Tensor Matrix::columns(const Tensor& ids) const { return dense_.index_select(1, ids); }

Matrix Matrix::headRows(int64_t head, int64_t width) const {
  return dense_.narrow(0, head * width, width);
}

Matrix Matrix::headColumns(int64_t head, int64_t width) const {
  return dense_.narrow(1, head * width, width);
}

int64_t Matrix::bytes() const { return defined() ? static_cast<int64_t>(dense_.nbytes()) : 0; }

}  // namespace gemlens::ops
