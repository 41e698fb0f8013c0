// Interventions: made once for a run or a generation, and placed in each run.
#pragma once

#include "binding/read.h"
#include "intervene/placement.h"

namespace gemlens::binding {

// What a request says of them: its handle, and where they act in this run.
intervene::Interventions readEdits(const ObjectReader& in);

// editsCreate.
void exportInterventions(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
