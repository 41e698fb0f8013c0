#include "binding/arguments.h"

namespace gemlens::binding {
namespace {

void expect(napi_status status, const char* expected) {
  if (status != napi_ok)
    throw Error(code::kArgument, concat("expected ", expected, ", got something else"));
}

}  // namespace

bool Arguments::absent(size_t i) const { return i >= count || isNullish(env(), values[i]); }

bool isNullish(napi_env env, napi_value value) {
  if (value == nullptr) return true;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

double parseNumber(napi_env env, napi_value value) {
  double number = 0;
  expect(napi_get_value_double(env, value, &number), "a number");
  return number;
}

int64_t parseInt(napi_env env, napi_value value) {
  int64_t number = 0;
  expect(napi_get_value_int64(env, value, &number), "an integer");
  return number;
}

bool parseBool(napi_env env, napi_value value) {
  bool flag = false;
  expect(napi_get_value_bool(env, value, &flag), "a boolean");
  return flag;
}

std::string parseString(napi_env env, napi_value value) {
  size_t length = 0;
  expect(napi_get_value_string_utf8(env, value, nullptr, 0, &length), "a string");
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

std::vector<int64_t> parseInts(napi_env env, napi_value value) {
  uint32_t length = 0;
  expect(napi_get_array_length(env, value, &length), "an array of integers");
  std::vector<int64_t> out(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    expect(napi_get_element(env, value, i, &element), "an array of integers");
    out[i] = parseInt(env, element);
  }
  return out;
}

BytesView parseTypedArray(napi_env env, napi_value value) {
  bool is = false;
  napi_is_typedarray(env, value, &is);
  if (!is) throw Error(code::kArgument, "expected a typed array, got something else");
  BytesView view;
  void* data = nullptr;
  expect(napi_get_typedarray_info(env, value, &view.type, &view.length, &data, nullptr, nullptr),
         "a typed array");
  view.data = static_cast<const uint8_t*>(data);
  size_t width = 1;
  switch (view.type) {
    case napi_int16_array:
    case napi_uint16_array:
      width = 2;
      break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      width = 4;
      break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      width = 8;
      break;
    default:
      break;
  }
  view.bytes = view.length * width;
  return view;
}

Int32View parseInt32Array(napi_env env, napi_value value) {
  const BytesView view = parseTypedArray(env, value);
  if (view.type != napi_int32_array)
    throw Error(code::kArgument, "expected an Int32Array, got another typed array");
  return {reinterpret_cast<const int32_t*>(view.data), view.length};
}

napi_value toJs(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value toJs(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value toJs(napi_env env, at::IntArrayRef ints) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, ints.size(), &array);
  for (size_t i = 0; i < ints.size(); ++i) {
    napi_set_element(env, array, static_cast<uint32_t>(i), toJs(env, static_cast<double>(ints[i])));
  }
  return array;
}

napi_value jsBool(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

napi_value jsUndefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value jsNull(napi_env env) {
  napi_value value = nullptr;
  napi_get_null(env, &value);
  return value;
}

napi_value optionalProperty(napi_env env, napi_value object, const char* name) {
  // V8 would throw its own TypeError for null and undefined.
  if (isNullish(env, object))
    throw Error(code::kArgument, concat("expected an object with ", name, ", got nothing"));
  napi_value value = nullptr;
  expect(napi_get_named_property(env, object, name, &value), "an object");
  return isNullish(env, value) ? nullptr : value;
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value = optionalProperty(env, object, name);
  if (value == nullptr)
    throw Error(code::kArgument, concat("expected a value for ", name, ", got none"));
  return value;
}

void defineFunction(Environment& environment, napi_value object, const char* name,
                    napi_callback function) {
  napi_value value = nullptr;
  napi_create_function(environment.env(), name, NAPI_AUTO_LENGTH, function, &environment, &value);
  napi_set_named_property(environment.env(), object, name, value);
}

}  // namespace gemlens::binding
