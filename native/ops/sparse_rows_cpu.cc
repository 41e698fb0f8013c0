#include "ops/sparse_rows.h"

namespace gemlens::ops {

Tensor sparseDotsCpu(const SparseRows& rows, const Tensor& table, const Tensor& g) {
  const Tensor contiguous = g.contiguous(), entries = table.contiguous();
  const int64_t count = rows.indptr.size(0) - 1, width = table.size(1);
  const int32_t* indptr = rows.indptr.const_data_ptr<int32_t>();
  const int32_t* ids = rows.indices.const_data_ptr<int32_t>();
  const float* base = contiguous.const_data_ptr<float>();
  const float* weights = entries.const_data_ptr<float>();
  Tensor out = empty({rows.indices.size(0)}, c10::kFloat);
  float* values = out.mutable_data_ptr<float>();
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t r = 0; r < count; ++r) {
    const float* row = base + r * width;
    for (int32_t j = indptr[r]; j < indptr[r + 1]; ++j) {
      const float* entry = weights + ids[j] * width;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t k = 0; k < width; ++k) sum += row[k] * entry[k];
      values[j] = sum;
    }
  }
  return out;
}

}  // namespace gemlens::ops
