// Parses JavaScript values by C++ type: `parse<int64_t>(environment, value)`, and the same for an
// object's properties. A value of another type throws ARGUMENT. Ranges are checked elsewhere.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "binding/arguments.h"

namespace gemlens::binding {

// Defined for int64_t; int32_t (an integer out of range is clamped); double; bool; std::string;
// Tensor and the other payloads of handles; std::vector of int32_t (an Int32Array), of float (a
// Float32Array), of uint8_t (the bytes of any typed array), of int64_t and double (an array of
// numbers), of Tensor (an array of handles), of std::vector of int32_t (an array of Int32Arrays).
template <typename T>
T parse(Environment& environment, napi_value value);

// Calls `visit` with each element of an array.
template <typename Visit>
void forEach(napi_env env, napi_value array, Visit visit) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok)
    throw Error(code::kArgument, "expected an array, got something else");
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, array, i, &element);
    visit(element);
  }
}

// The properties of an object.
class ObjectParser {
 public:
  ObjectParser(Environment& environment, napi_value object)
      : environment_(environment), object_(object) {}

  // Throws ARGUMENT if it is missing.
  template <typename T>
  T get(const char* name) const {
    return parse<T>(environment_, property(environment_.env(), object_, name));
  }
  template <typename T>
  std::optional<T> optional(const char* name) const {
    napi_value value = optionalProperty(environment_.env(), object_, name);
    if (value == nullptr) return std::nullopt;
    return parse<T>(environment_, value);
  }
  // Sets `value` if the property is given.
  template <typename T>
  void into(const char* name, T& value) const {
    if (auto given = optional<T>(name)) value = std::move(*given);
  }
  ObjectParser object(const char* name) const {
    return {environment_, property(environment_.env(), object_, name)};
  }
  std::optional<ObjectParser> optionalObject(const char* name) const {
    napi_value value = optionalProperty(environment_.env(), object_, name);
    if (value == nullptr) return std::nullopt;
    return ObjectParser(environment_, value);
  }
  // Calls `visit` with each object of an array, in order. A missing array counts as empty.
  template <typename Visit>
  void forEach(const char* name, Visit visit) const {
    napi_value list = optionalProperty(environment_.env(), object_, name);
    if (list == nullptr) return;
    binding::forEach(environment_.env(), list,
                     [&](napi_value element) { visit(ObjectParser(environment_, element)); });
  }
  // The same for an array whose objects may be null or undefined.
  template <typename Visit>
  void forEachOptional(const char* name, Visit visit) const {
    napi_value list = optionalProperty(environment_.env(), object_, name);
    if (list == nullptr) return;
    binding::forEach(environment_.env(), list, [&](napi_value element) {
      const bool missing = isNullish(environment_.env(), element);
      visit(missing ? std::nullopt : std::optional(ObjectParser(environment_, element)));
    });
  }

 private:
  Environment& environment_;
  napi_value object_;
};

}  // namespace gemlens::binding
