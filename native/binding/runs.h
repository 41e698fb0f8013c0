#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

// modelRun, modelGradients, hookSettle.
void exportRuns(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
