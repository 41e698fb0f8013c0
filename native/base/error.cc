#include "base/error.h"

namespace gemlens {

std::string formatShape(const int64_t* sizes, size_t count) {
  std::ostringstream out;
  out << '[';
  for (size_t i = 0; i < count; ++i) out << (i == 0 ? "" : ", ") << sizes[i];
  out << ']';
  return out.str();
}

}  // namespace gemlens
