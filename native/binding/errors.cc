#include "binding/errors.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <new>

#include "base/error.h"

namespace gemlens::binding {
namespace {

// libtorch's first line says what is wrong; the rest is its own stack.
std::string firstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// What libtorch's sentence says between two marks ("2.00 GiB"), or "unknown".
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "unknown";
  const size_t from = begin + before.size();
  const size_t end = text.find(after, from);
  return end == std::string::npos ? "unknown" : text.substr(from, end - from);
}

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

napi_value make(napi_env raw, const std::string& code, const std::string& message,
                const Fields& fields) {
  Napi::Env env(raw);
  Napi::Error error = Napi::Error::New(env, message);
  Napi::Object object = error.Value();
  object.Set("code", Napi::String::New(env, code));
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [name, value] : fields) details.Set(name, toJs(env, value));
  object.Set("fields", details);
  return object;
}

}  // namespace

napi_value toJsError(napi_env env, const std::exception_ptr& error, const char* what) {
  const std::string prefix = what == nullptr ? "" : std::string(what) + ": ";
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return make(env, e.code(), e.what(), e.fields());
  } catch (const Napi::Error& e) {
    return make(env, code::kArgument, prefix + e.Message(), {});
  } catch (const c10::OutOfMemoryError& e) {
    const std::string text = firstLine(e.what_without_backtrace());
    return make(env, code::kOutOfMemory, prefix + text,
                {{"device", std::string("cuda")},
                 {"requested", between(text, "Tried to allocate ", ". ")},
                 {"free", between(text, " of which ", " is free")}});
  } catch (const c10::Error& e) {
    const std::string text = firstLine(e.what_without_backtrace());
    // libtorch's own allocator, with GEMLENS_ALLOCATOR=system.
    if (text.find("DefaultCPUAllocator: ") != std::string::npos) {
      const double bytes = std::atof(between(text, "tried to allocate ", " bytes").c_str());
      return make(env, code::kOutOfMemory, prefix + text,
                  {{"device", std::string("cpu")}, {"requested", bytes}});
    }
    // In the vocabulary (`what` given) libtorch checks the caller's shapes and types for us.
    return make(env, what == nullptr ? code::kInternal : code::kArgument, prefix + text, {});
  } catch (const std::bad_alloc&) {
    return make(env, code::kOutOfMemory, prefix + "the system has no memory left",
                {{"device", std::string("cpu")}});
  } catch (const std::exception& e) {
    return make(env, code::kInternal, prefix + firstLine(e.what()), {});
  } catch (...) {
    return make(env, code::kInternal, prefix + "an unknown native exception", {});
  }
}

void throwToJs(napi_env env, const std::exception_ptr& error, const char* what) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  try {
    napi_throw(env, toJsError(env, error, what));
  } catch (...) {
    // A worker that is being terminated makes no error objects.
  }
}

}  // namespace gemlens::binding
