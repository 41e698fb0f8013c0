// Finds the first element of a tensor that is infinite or not a number.
#pragma once

#include <cstdint>

#include "base/aten.h"

namespace gemlens::checkpoint {

// Returns its index in row-major order; -1 if every element is finite. Reads the tensor once, on
// all cores.
int64_t firstNotFinite(const Tensor& tensor);

}  // namespace gemlens::checkpoint
