#include "base/dtype.h"

#include <array>
#include <utility>

#include "base/error.h"

namespace gemlens {
namespace {

using c10::ScalarType;

constexpr std::array<std::pair<const char*, ScalarType>, 8> kNames{{
    {"float32", ScalarType::Float},
    {"bfloat16", ScalarType::BFloat16},
    {"float16", ScalarType::Half},
    {"int32", ScalarType::Int},
    {"int64", ScalarType::Long},
    {"bool", ScalarType::Bool},
    {"uint8", ScalarType::Byte},
    {"float64", ScalarType::Double},
}};

}  // namespace

ScalarType dtypeFromName(const std::string& name) {
  for (const auto& [known, type] : kNames) {
    if (name == known) return type;
  }
  throw Error(
      code::kDtype,
      "dtype: expected float32, bfloat16, float16, int32, int64, bool, uint8 or float64, got " +
          name);
}

const char* dtypeName(ScalarType type) {
  for (const auto& [name, known] : kNames) {
    if (type == known) return name;
  }
  return c10::toString(type);
}

ScalarType dtypeOnDevice(ScalarType inFile, const std::string& wanted, bool isCpu) {
  ScalarType type = wanted == "auto" ? inFile : dtypeFromName(wanted);
  return type == ScalarType::Half && isCpu ? ScalarType::Float : type;
}

}  // namespace gemlens
