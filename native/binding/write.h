// Writes results as JavaScript objects and arrays.
#pragma once

#include <cstddef>
#include <cstdint>

#include "binding/napi_setup.h"

namespace gemlens::binding {

class ObjectWriter {
 public:
  explicit ObjectWriter(napi_env env) : env_(env) { napi_create_object(env, &object_); }
  ObjectWriter& set(const char* name, napi_value value) {
    napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  napi_value value() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

// An array of `make(item)` for each item.
template <typename Items, typename Make>
napi_value writeArray(napi_env env, Items& items, Make make) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, items.size(), &array);
  uint32_t i = 0;
  for (auto& item : items) napi_set_element(env, array, i++, make(item));
  return array;
}

}  // namespace gemlens::binding
