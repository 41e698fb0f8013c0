#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

// rebuiltStatistics, residualParts, patchEstimates.
void exportAttribution(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
