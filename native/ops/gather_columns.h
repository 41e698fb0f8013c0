// A few columns of a wide matrix: [d, S] → [d, k]. Each element lies in a cache line of its own, so
// that on the CPU the time goes into waiting for memory unless it is asked for ahead.
#pragma once

#include <vector>

#include "base/aten.h"

namespace gemlens::ops {

// `columns` in any order. Throws ARGUMENT for one that there is not.
Tensor gatherColumns(const Tensor& matrix, const std::vector<int32_t>& columns);

}  // namespace gemlens::ops
