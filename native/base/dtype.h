// Names of the element types that JavaScript uses.
#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace gemlens {

// Throws DTYPE if the name is unknown.
c10::ScalarType dtypeFromName(const std::string& name);
const char* dtypeName(c10::ScalarType type);

// The type in which a checkpoint's tensor is loaded: `wanted`, or the type in the file for "auto".
// On the CPU, float16 becomes float32, because its GEMM there is unusably slow (0.3 GFLOP/s
// measured).
c10::ScalarType dtypeOnDevice(c10::ScalarType inFile, const std::string& wanted, bool isCpu);

// The accumulation type: float64 for float64 (numerical checks), otherwise float32.
inline c10::ScalarType wideType(c10::ScalarType type) {
  return type == c10::ScalarType::Double ? type : c10::ScalarType::Float;
}

}  // namespace gemlens
