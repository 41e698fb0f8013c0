// The core's only exception: a code to branch on, a message, and its facts as fields. Message form:
// "encode: expected [.., 2304] for input, got [1, 7, 2048]".
#pragma once

#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace gemlens {

using Shape = std::vector<int64_t>;
using FieldValue = std::variant<double, std::string, Shape>;
using Fields = std::vector<std::pair<std::string, FieldValue>>;

namespace code {
inline constexpr const char* kArgument = "ARGUMENT";
inline constexpr const char* kNotFound = "NOT_FOUND";
inline constexpr const char* kCheckpoint = "CHECKPOINT";
inline constexpr const char* kShape = "SHAPE";
inline constexpr const char* kDtype = "DTYPE";
inline constexpr const char* kDevice = "DEVICE";
inline constexpr const char* kOutOfMemory = "OUT_OF_MEMORY";
inline constexpr const char* kHook = "HOOK";
inline constexpr const char* kDisposed = "DISPOSED";
inline constexpr const char* kBusy = "BUSY";
inline constexpr const char* kUnsupported = "UNSUPPORTED";
inline constexpr const char* kAborted = "ABORTED";
inline constexpr const char* kInternal = "INTERNAL";
}  // namespace code

class Error : public std::exception {
 public:
  Error(const char* code, std::string message, Fields fields = {})
      : code_(code), message_(std::move(message)), fields_(std::move(fields)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& code() const { return code_; }
  const Fields& fields() const { return fields_; }

 private:
  std::string code_;
  std::string message_;
  Fields fields_;
};

// "[1, 7, 2048]"
std::string formatShape(const int64_t* sizes, size_t count);

template <typename Sizes>
std::string formatShape(const Sizes& sizes) {
  return formatShape(sizes.data(), sizes.size());
}

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace gemlens
