#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

// logitsReadout, modelReadout, modelCompare.
void exportReadout(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
