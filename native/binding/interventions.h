// Parses interventions once for a run or a generation, and the rows on which they act for each run.
#pragma once

#include "binding/parse.h"
#include "intervene/placement.h"

namespace gemlens::binding {

// Parses a request's interventions: their handle, and the rows on which they act in this run.
intervene::Interventions parseInterventions(const ObjectParser& in);

// editsCreate.
void exportInterventions(Environment& environment, napi_value exports);

}  // namespace gemlens::binding
