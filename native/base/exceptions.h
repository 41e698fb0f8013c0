// Turns exceptions of libtorch and the standard library into gemlens::Error.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"

namespace gemlens {

// `caller` names the operation if the exception's message does not. A libtorch error is then
// ARGUMENT: libtorch has checked shapes and types that the caller passed.
Error asError(const std::exception_ptr& exception, const char* caller = nullptr);

}  // namespace gemlens
