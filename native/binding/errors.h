// Native exceptions as JavaScript errors: Error with `code` and `fields`.
#pragma once

#include <exception>

#include "binding/napi_setup.h"

namespace gemlens::binding {

// Makes an Error for any exception. Call it on the JS thread. `caller` names the operation if the
// exception's message does not.
napi_value toJsError(napi_env env, const std::exception_ptr& error, const char* caller = nullptr);

// Throws it into JavaScript.
void throwToJs(napi_env env, const std::exception_ptr& error, const char* caller = nullptr);

}  // namespace gemlens::binding
