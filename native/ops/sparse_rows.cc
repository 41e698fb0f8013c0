#include "ops/sparse_rows.h"

#include <algorithm>

namespace gemlens::ops {
namespace {

// [nnz, d] of float32 that the composed form holds at once, in elements: 64 MB.
constexpr int64_t kGathered = int64_t{1} << 24;

}  // namespace

Tensor sparseDecode(const SparseRows& rows, const Tensor& table) {
  const int64_t count = rows.indptr.size(0) - 1;
  if (rows.indices.size(0) == 0) return zeros({count, table.size(1)}, c10::kFloat, table.device());
  return weightedRowSum(table, rows.indices, rows.indptr, rows.values.to(table.scalar_type()))
      .to(c10::kFloat);
}

Tensor sparseDots(const SparseRows& rows, const Tensor& table, const Tensor& g) {
  const Tensor wide = g.to(c10::kFloat);
  return wide.is_cpu() && table.scalar_type() == c10::kFloat
             ? sparseDotsCpu(rows, table, wide)
             : sparseDotsComposed(rows, table, wide);
}

Tensor sparseDotsComposed(const SparseRows& rows, const Tensor& table, const Tensor& g) {
  const int64_t nnz = rows.indices.size(0), count = rows.indptr.size(0) - 1;
  const Tensor perRow = rows.indptr.diff().to(c10::kLong);
  const Tensor rowOf = arange(0, count, g.device()).repeat_interleave(perRow);
  Tensor out = empty({nnz}, c10::kFloat, g.device());
  const int64_t block = std::max<int64_t>(1, kGathered / table.size(1));
  for (int64_t begin = 0; begin < nnz; begin += block) {
    const int64_t length = std::min(block, nnz - begin);
    const Tensor entries = table.index_select(0, rows.indices.narrow(0, begin, length));
    const Tensor from = g.index_select(0, rowOf.narrow(0, begin, length));
    out.narrow(0, begin, length).copy_(entries.to(c10::kFloat).mul(from).sum(1));
  }
  return out;
}

}  // namespace gemlens::ops
