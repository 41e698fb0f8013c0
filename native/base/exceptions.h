// Turns exceptions of libtorch and the standard library into gemlens::Error.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"

namespace gemlens {

// `what` names the operation if the exception does not: then libtorch has checked the caller's
// shapes and types for us, and its error is the caller's.
Error asError(const std::exception_ptr& exception, const char* what = nullptr);

}  // namespace gemlens
