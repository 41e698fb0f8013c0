#include "ops/jump_relu.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "ops/kernels.h"

namespace gemlens::ops {
namespace {

constexpr int64_t kColumnChunk = 4096;

// `realRows` [rows] bool or undefined: rows that are false are not checked.
void checkFinite(const Tensor& x, const Tensor& realRows) {
  // If a row's sum is finite, so is every element, and the sum makes no copy of x. Only rows with a
  // non-finite sum are checked element by element.
  Tensor suspect = x.sum(1).isfinite().logical_not();
  if (realRows.defined()) suspect = suspect.logical_and(realRows);
  if (!suspect.any().item<bool>()) return;
  const Tensor rows = suspect.nonzero().select(1, 0);
  const Tensor bad = x.index_select(0, rows).isfinite().logical_not();
  if (!bad.any().item<bool>()) return;
  const Tensor at = bad.nonzero();
  const int64_t row = rows[at[0][0].item<int64_t>()].item<int64_t>();
  const int64_t column = at[0][1].item<int64_t>();
  throw NotFiniteRow(row, false, column, x[row][column].item<float>());
}

}  // namespace

NotFiniteRow::NotFiniteRow(int64_t row, bool isFeature, int64_t index, float value)
    : Error(code::kArgument,
            concat("encode: expected finite numbers, got ", value, " in row ", row)),
      row_(row),
      isFeature_(isFeature),
      index_(index),
      value_(value) {}

const char* NotFiniteRow::value() const {
  return std::isnan(value_) ? "NaN" : value_ > 0 ? "Infinity" : "-Infinity";
}

SparseRows jumpReluEncode(const Tensor& x, const Matrix& wEnc, const Tensor& bEnc,
                          const Tensor& threshold, const Tensor& realRows) {
  if (x.dim() != 2 || x.size(1) != wEnc.rowCount()) {
    throw Error(code::kShape,
                concat("encode: expected [.., ", wEnc.rowCount(), "] for input, got ",
                       formatShape(x.sizes())),
                {{"expected", Shape{wEnc.rowCount()}}, {"got", x.sizes().vec()}});
  }
  if (x.size(0) >= std::numeric_limits<int32_t>::max()) {
    throw Error(code::kArgument, concat("encode: expected fewer than 2³¹ rows, got ", x.size(0)));
  }
  if (realRows.defined() && realRows.size(0) != x.size(0)) {
    throw Error(code::kShape,
                concat("encode: expected a mask of ", x.size(0), " rows, got ", realRows.size(0)));
  }
  checkFinite(x, realRows);
  const Tensor input = x.to(wEnc.dtype());
  const kernels::Kernels* table = kernelsOn(x.device());
  return x.is_cpu() && table != nullptr && table->firingMask != nullptr
             ? jumpReluEncodeCpu(*table, input, wEnc, bEnc, threshold, realRows)
             : jumpReluEncodeComposed(input, wEnc, bEnc, threshold, realRows);
}

SparseRows jumpReluEncodeComposed(const Tensor& x, const Matrix& wEnc, const Tensor& bEnc,
                                  const Tensor& threshold, const Tensor& realRows) {
  const int64_t rows = x.size(0), width = wEnc.columnCount();
  const auto device = x.device();
  const Tensor& weight = wEnc.dense();
  Tensor counts = zeros({rows}, c10::kLong, device);
  // Start with empty tensors: if no features are requested, cat would have no inputs.
  std::vector<Tensor> keys{zeros({0}, c10::kLong, device)};
  std::vector<Tensor> values{zeros({0}, c10::kFloat, device)};
  for (int64_t begin = 0; begin < width; begin += kColumnChunk) {
    const int64_t count = std::min(kColumnChunk, width - begin);
    const Tensor pre =
        addmm(bEnc.narrow(0, begin, count), x, weight.narrow(1, begin, count)).to(c10::kFloat);
    // Negate ≤, so that a NaN counts as firing and is found below.
    Tensor fires = pre.le(threshold.narrow(0, begin, count)).logical_or(pre.le(0)).logical_not();
    if (realRows.defined()) fires = fires.logical_and(realRows.unsqueeze(1));
    counts.add_(fires.sum(1));
    const Tensor at = fires.nonzero();
    keys.push_back(at.select(1, 0).mul(width).add_(at.select(1, 1)).add_(begin));
    values.push_back(pre.masked_select(fires));
  }
  const Tensor allKeys = cat(keys, 0);
  if (allKeys.size(0) > std::numeric_limits<int32_t>::max()) {
    throw Error(code::kUnsupported,
                "encode: expected fewer than 2³¹ active features; split the batch");
  }
  const Tensor allValues = cat(values, 0);
  const Tensor bad = allValues.isfinite().logical_not();
  if (bad.any().item<bool>()) {
    const Tensor at = bad.nonzero()[0][0];
    const auto key = allKeys.index_select(0, at.reshape({1})).item<int64_t>();
    const auto value = allValues.index_select(0, at.reshape({1})).item<float>();
    throw NotFiniteRow(key / width, true, key % width, value);
  }
  const Tensor order = allKeys.argsort();
  Tensor indptr = zeros({rows + 1}, c10::kInt, device);
  indptr.narrow(0, 1, rows).copy_(counts.cumsum(0));
  return {indptr, allKeys.index_select(0, order).remainder(width).to(c10::kInt),
          allValues.index_select(0, order)};
}

}  // namespace gemlens::ops
