#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "ops/jump_relu.h"

namespace gemlens::ops {
namespace {

// [4096, 2048] of float32 is 32 MB: large enough for the GEMM's full rate, small enough for the
// cache.
constexpr int64_t kRowBlock = 4096;
constexpr int64_t kColumnChunk = 2048;
constexpr int64_t kWord = 64;

struct Row {
  std::vector<int32_t> ids;
  std::vector<float> values;
  int64_t bad = -1;  // the first entry that is not finite
};

// Appends the entries of one row's chunk whose bits are set.
void append(const float* pre, const uint64_t* mask, int64_t count, int64_t firstId, Row& row) {
  for (int64_t begin = 0; begin < count; begin += kWord) {
    for (uint64_t bits = mask[begin / kWord]; bits != 0; bits &= bits - 1) {
      const int64_t j = begin + std::countr_zero(bits);
      if (!std::isfinite(pre[j]) && row.bad < 0) row.bad = static_cast<int64_t>(row.ids.size());
      row.ids.push_back(static_cast<int32_t>(firstId + j));
      row.values.push_back(pre[j]);
    }
  }
}

}  // namespace

SparseRows jumpReluEncodeCpu(const kernels::Kernels& table, const Tensor& x, const Matrix& wEnc,
                             const Tensor& bEnc, const Tensor& threshold, const Tensor& realRows) {
  const int64_t rows = x.size(0), width = wEnc.columnCount();
  const Tensor& weight = wEnc.dense();
  std::vector<Row> entries(static_cast<size_t>(rows));
  const Tensor limits = threshold.to(c10::kFloat).contiguous();
  const float* limit = limits.const_data_ptr<float>();
  const Tensor realContiguous = realRows.defined() ? realRows.contiguous() : Tensor();
  const bool* real = realRows.defined() ? realContiguous.const_data_ptr<bool>() : nullptr;
  for (int64_t firstRow = 0; firstRow < rows; firstRow += kRowBlock) {
    const int64_t blockRows = std::min(kRowBlock, rows - firstRow);
    const Tensor block = x.narrow(0, firstRow, blockRows);
    for (int64_t begin = 0; begin < width; begin += kColumnChunk) {
      const int64_t count = std::min(kColumnChunk, width - begin);
      const Tensor pre = addmm(bEnc.narrow(0, begin, count), block, weight.narrow(1, begin, count))
                             .to(c10::kFloat)
                             .contiguous();
      const float* base = pre.const_data_ptr<float>();
#pragma omp parallel for schedule(static)
      for (int64_t r = 0; r < blockRows; ++r) {
        if (real != nullptr && !real[firstRow + r]) continue;
        const float* row = base + r * count;
        uint64_t mask[kColumnChunk / kWord];
        table.firingMask({row, limit + begin, 1, count, mask}, nullptr);
        append(row, mask, count, begin, entries[static_cast<size_t>(firstRow + r)]);
      }
    }
  }
  SparseRows out;
  out.indptr = empty({rows + 1}, c10::kInt);
  int32_t* indptr = out.indptr.mutable_data_ptr<int32_t>();
  int64_t total = 0;
  for (int64_t r = 0; r < rows; ++r) {
    indptr[r] = static_cast<int32_t>(total);
    total += static_cast<int64_t>(entries[static_cast<size_t>(r)].ids.size());
    if (total > std::numeric_limits<int32_t>::max()) {
      throw Error(code::kUnsupported,
                  "encode: expected fewer than 2³¹ active features; split the batch");
    }
  }
  indptr[rows] = static_cast<int32_t>(total);
  out.indices = empty({total}, c10::kInt);
  out.values = empty({total}, c10::kFloat);
  int32_t* indices = out.indices.mutable_data_ptr<int32_t>();
  float* values = out.values.mutable_data_ptr<float>();
  for (int64_t r = 0; r < rows; ++r) {
    const Row& row = entries[static_cast<size_t>(r)];
    if (row.ids.empty()) continue;
    if (row.bad >= 0) {
      const auto at = static_cast<size_t>(row.bad);
      throw NotFiniteRow(r, true, row.ids[at], row.values[at]);
    }
    std::memcpy(indices + indptr[r], row.ids.data(), row.ids.size() * sizeof(int32_t));
    std::memcpy(values + indptr[r], row.values.data(), row.values.size() * sizeof(float));
  }
  return out;
}

}  // namespace gemlens::ops
