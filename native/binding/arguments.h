// The arguments of a native function, and parsers for plain values. TypeScript has already checked
// the user's input; these checks turn a wrong call into an error instead of a crash.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "binding/env.h"
#include "binding/errors.h"
#include "binding/napi_setup.h"

namespace gemlens::binding {

struct Arguments {
  static constexpr size_t kMax = 8;
  Environment& environment;
  size_t count = kMax;
  napi_value values[kMax] = {};

  napi_env env() const { return environment.env(); }
  HandleTable& handles() const { return environment.handles(); }
  napi_value operator[](size_t i) const { return values[i]; }
  Napi::Value at(size_t i) const { return {env(), values[i]}; }
  bool absent(size_t i) const;
};

bool isNullish(napi_env env, napi_value value);
double parseNumber(napi_env env, napi_value value);
int64_t parseInt(napi_env env, napi_value value);
bool parseBool(napi_env env, napi_value value);
std::string parseString(napi_env env, napi_value value);
std::vector<int64_t> parseInts(napi_env env, napi_value value);
// A view of an Int32Array. Another type throws ARGUMENT.
struct Int32View {
  const int32_t* data = nullptr;
  size_t size = 0;
};
Int32View parseInt32Array(napi_env env, napi_value value);
struct BytesView {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  size_t length = 0;
  napi_typedarray_type type = napi_uint8_array;
};
BytesView parseTypedArray(napi_env env, napi_value value);

napi_value toJs(napi_env env, const std::string& text);
napi_value toJs(napi_env env, double number);
napi_value toJs(napi_env env, at::IntArrayRef ints);
napi_value jsBool(napi_env env, bool value);
napi_value jsUndefined(napi_env env);
napi_value jsNull(napi_env env);

// If the property is undefined or null, `property` throws ARGUMENT and `optionalProperty` returns
// nullptr.
napi_value property(napi_env env, napi_value object, const char* name);
napi_value optionalProperty(napi_env env, napi_value object, const char* name);

using Function = napi_value (*)(Arguments&);

// Wraps a function as a C callback that turns exceptions into JavaScript errors.
template <Function function>
napi_value callback(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  size_t count = Arguments::kMax;
  napi_value values[Arguments::kMax] = {};
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Arguments args{*static_cast<Environment*>(data)};
  args.count = count;
  for (size_t i = 0; i < Arguments::kMax; ++i) args.values[i] = values[i];
  try {
    return function(args);
  } catch (...) {
    throwToJs(env, std::current_exception());
    return nullptr;
  }
}

void defineFunction(Environment& environment, napi_value object, const char* name,
                    napi_callback function);

template <Function function>
void define(Environment& environment, napi_value object, const char* name) {
  defineFunction(environment, object, name, &callback<function>);
}

}  // namespace gemlens::binding
