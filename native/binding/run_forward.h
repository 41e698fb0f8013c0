// Writes the plain outcome of a run, which the other outcomes include.
#pragma once

#include "binding/arguments.h"
#include "binding/write.h"
#include "run/forward.h"

namespace gemlens::binding {

ObjectWriter writeForward(Environment& environment, run::Forward& run);

}  // namespace gemlens::binding
