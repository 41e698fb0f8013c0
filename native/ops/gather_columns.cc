#include "ops/gather_columns.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace gemlens::ops {
namespace {

// About as many lines on their way as a core can wait for, and some for the walk of the page table.
constexpr int64_t kLinesAhead = 64;

template <typename Bits>
void gather(const Tensor& matrix, const std::vector<int32_t>& columns, Tensor& out) {
  const int64_t rows = matrix.size(0);
  const int64_t stride = matrix.size(1);
  const auto count = static_cast<int64_t>(columns.size());
  const int64_t ahead = std::max<int64_t>(1, kLinesAhead / count);
  const auto* row = static_cast<const Bits*>(matrix.const_data_ptr());
  auto* to = static_cast<Bits*>(out.mutable_data_ptr());
  for (int64_t i = 0; i < rows; ++i, row += stride) {
    const Bits* later = i + ahead < rows ? row + ahead * stride : row;
    for (const int32_t column : columns) {
      __builtin_prefetch(later + column);
      *to++ = row[column];
    }
  }
}

}  // namespace

Tensor gatherColumns(const Tensor& matrix, const std::vector<int32_t>& columns) {
  for (const int32_t column : columns) {
    if (column >= 0 && column < matrix.size(1)) continue;
    throw Error(code::kArgument,
                concat("columns: expected one below ", matrix.size(1), ", got ", column));
  }
  const auto size = matrix.element_size();
  const bool plain = matrix.is_cpu() && matrix.is_contiguous() && !matrix.requires_grad();
  if (!plain || columns.empty() || (size != 2 && size != 4)) {
    return matrix.index_select(1, indexTensor(columns, matrix.device()));
  }
  Tensor out = empty({matrix.size(0), static_cast<int64_t>(columns.size())}, matrix.scalar_type());
  if (size == 2) gather<uint16_t>(matrix, columns, out);
  if (size == 4) gather<uint32_t>(matrix, columns, out);
  return out;
}

}  // namespace gemlens::ops
