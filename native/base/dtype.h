// Names of the element types that cross the boundary.
#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace gemlens {

// Throws DTYPE for a name that is not one of ours.
c10::ScalarType dtypeFromName(const std::string& name);
const char* dtypeName(c10::ScalarType type);

// What a checkpoint's tensor becomes on a device: `wanted`, or its own type; float16 has no usable
// CPU GEMM (0.3 GFLOP/s measured), so it is widened there.
c10::ScalarType dtypeOnDevice(c10::ScalarType inFile, const std::string& wanted, bool isCpu);

// What sums are made in: float64 for float64 (numerical checks), else float32.
inline c10::ScalarType wideType(c10::ScalarType type) {
  return type == c10::ScalarType::Double ? type : c10::ScalarType::Float;
}

}  // namespace gemlens
