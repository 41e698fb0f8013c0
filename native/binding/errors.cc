#include "binding/errors.h"

#include "base/exceptions.h"

namespace gemlens::binding {
namespace {

Napi::Value toJs(Napi::Env env, const FieldValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return Napi::Number::New(env, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return Napi::String::New(env, *text);
  const auto& shape = std::get<Shape>(value);
  Napi::Array array = Napi::Array::New(env, shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(shape[i])));
  }
  return array;
}

Error toError(const std::exception_ptr& exception, const char* caller) {
  try {
    std::rethrow_exception(exception);
  } catch (const Napi::Error& e) {
    return {code::kArgument, (caller == nullptr ? "" : concat(caller, ": ")) + e.Message()};
  } catch (...) {
    return asError(exception, caller);
  }
}

}  // namespace

napi_value toJsError(napi_env raw, const std::exception_ptr& exception, const char* caller) {
  const Error e = toError(exception, caller);
  Napi::Env env(raw);
  Napi::Error error = Napi::Error::New(env, e.what());
  Napi::Object object = error.Value();
  object.Set("code", Napi::String::New(env, e.code()));
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [name, value] : e.fields()) details.Set(name, toJs(env, value));
  object.Set("fields", details);
  return object;
}

void throwToJs(napi_env env, const std::exception_ptr& error, const char* caller) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  try {
    napi_throw(env, toJsError(env, error, caller));
  } catch (...) {
    // No error object can be made in a worker that is being terminated.
  }
}

}  // namespace gemlens::binding
