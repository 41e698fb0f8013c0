// Features as a task's result.
#pragma once

#include "binding/tasks.h"
#include "coder/features.h"

namespace gemlens::binding {

Finish finishFeatures(Environment& environment, coder::Features features);

}  // namespace gemlens::binding
