// Copies numbers into a JavaScript typed array.
#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include "binding/napi_setup.h"

namespace gemlens::binding {

template <typename T>
napi_value copyArray(napi_env env, const std::vector<T>& values) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> ||
                std::is_same_v<T, int32_t>);
  constexpr auto kType = std::is_same_v<T, float>    ? napi_float32_array
                         : std::is_same_v<T, double> ? napi_float64_array
                                                     : napi_int32_array;
  void* data = nullptr;
  napi_value buffer = nullptr, array = nullptr;
  napi_create_arraybuffer(env, values.size() * sizeof(T), &data, &buffer);
  if (!values.empty()) std::memcpy(data, values.data(), values.size() * sizeof(T));
  napi_create_typedarray(env, kType, values.size(), buffer, 0, &array);
  return array;
}

}  // namespace gemlens::binding
