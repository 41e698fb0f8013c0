// Checks indices that come from JavaScript.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"

namespace gemlens {

// Throws ARGUMENT unless every index is in 0 ≤ index < below. `name` is the request's field,
// `caller` the operation.
inline void checkIndices(const char* caller, const std::vector<int32_t>& indices, int64_t below,
                         const char* name) {
  for (const int32_t index : indices) {
    if (index >= 0 && index < below) continue;
    throw Error(code::kArgument,
                concat(caller, ": expected 0 ≤ index < ", below, " in ", name, ", got ", index));
  }
}

}  // namespace gemlens
