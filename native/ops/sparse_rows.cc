#include "ops/sparse_rows.h"

#include <algorithm>

#include "base/device.h"
#include "ops/kernels.h"

namespace gemlens::ops {
namespace {

// Elements of [nnz, d] float32 that the composed form holds at once: 64 MB.
constexpr int64_t kGathered = int64_t{1} << 24;

Tensor sparseDotsByKernel(const kernels::Kernels& kernels, const SparseRows& rows,
                          const Matrix& table, const Tensor& g) {
  const Tensor from = g.contiguous(), entries = table.dense().contiguous();
  Tensor out = empty({rows.indices.size(0)}, c10::kFloat, g.device());
  const kernels::SparseDots all{rows.indptr.const_data_ptr<int32_t>(),
                                rows.indices.const_data_ptr<int32_t>(),
                                entries.const_data_ptr<float>(),
                                from.const_data_ptr<float>(),
                                rows.indptr.size(0) - 1,
                                table.columnCount(),
                                out.mutable_data_ptr<float>()};
  if (!g.is_cpu()) {
    checkLaunch(kernels.sparseDots(all, currentStream(g.device())), "sparseDots", g.device());
    return out;
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t r = 0; r < all.rows; ++r) {
    kernels::SparseDots row = all;
    row.indptr += r;
    row.g += r * all.width;
    row.rows = 1;
    kernels.sparseDots(row, nullptr);
  }
  return out;
}

}  // namespace

Tensor sparseDecode(const SparseRows& rows, const Matrix& table) {
  const int64_t count = rows.indptr.size(0) - 1;
  if (rows.indices.size(0) == 0)
    return zeros({count, table.columnCount()}, c10::kFloat, table.device());
  return weightedRowSum(table.dense(), rows.indices, rows.indptr, rows.values.to(table.dtype()))
      .to(c10::kFloat);
}

Tensor sparseDots(const SparseRows& rows, const Matrix& table, const Tensor& g) {
  const Tensor wide = g.to(c10::kFloat);
  const kernels::Kernels* kernels = kernelsOn(wide.device());
  return kernels != nullptr && kernels->sparseDots != nullptr && table.dtype() == c10::kFloat
             ? sparseDotsByKernel(*kernels, rows, table, wide)
             : sparseDotsComposed(rows, table, wide);
}

Tensor sparseDotsComposed(const SparseRows& rows, const Matrix& table, const Tensor& g) {
  const int64_t nnz = rows.indices.size(0), count = rows.indptr.size(0) - 1;
  const Tensor perRow = rows.indptr.diff().to(c10::kLong);
  const Tensor rowOf = arange(0, count, g.device()).repeat_interleave(perRow);
  Tensor out = empty({nnz}, c10::kFloat, g.device());
  const int64_t block = std::max<int64_t>(1, kGathered / table.columnCount());
  for (int64_t begin = 0; begin < nnz; begin += block) {
    const int64_t length = std::min(block, nnz - begin);
    const Tensor entries = table.rows(rows.indices.narrow(0, begin, length));
    const Tensor from = g.index_select(0, rowOf.narrow(0, begin, length));
    out.narrow(0, begin, length).copy_(entries.to(c10::kFloat).mul(from).sum(1));
  }
  return out;
}

}  // namespace gemlens::ops
