// Active features in CSR over flattened rows (batch · pos), on the device they were computed on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::coder {

struct Features {
  std::vector<int64_t> shape;  // leading dimensions; their product is the number of rows
  int64_t dSae = 0;
  ops::SparseRows rows;

  int64_t rowCount() const { return rows.indptr.size(0) - 1; }
  int64_t nnz() const { return rows.indices.size(0); }
};

enum class EditOp { Set, Add, Zero, Scale };

struct FeatureEdit {
  EditOp op = EditOp::Set;
  int32_t feature = 0;
  float value = 0;
  bool allRows = true;
  std::vector<int32_t> rows;
};

// Returns the features with the edits applied in order. A value that becomes 0 is removed; one that
// becomes non-zero is inserted. Throws ARGUMENT if a value becomes non-finite.
Features editFeatures(const Features& features, const std::vector<FeatureEdit>& edits);

// after − before, without equal entries. Throws SHAPE unless both have the same number of rows and
// of features.
ops::SparseRows difference(const Features& before, const Features& after);

// Rows begin … end−1, with `shape` as their leading shape.
Features sliceRows(const Features& features, int64_t begin, int64_t end,
                   std::vector<int64_t> shape);

// [shape.., dSae] float32.
Tensor toDense(const Features& features);

}  // namespace gemlens::coder
