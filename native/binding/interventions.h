// Reads splices and interventions of a run request.
#pragma once

#include "binding/read.h"
#include "intervene/interventions.h"

namespace gemlens::binding {

intervene::Interventions readInterventions(const ObjectReader& in);

}  // namespace gemlens::binding
