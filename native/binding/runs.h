// The runs of a model: a file and an export for each outcome.
#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

void exportRunForward(Environment& environment, napi_value exports);
void exportRunGradients(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
