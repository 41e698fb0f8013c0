// Writes features as a result: a handle, and the facts that every caller needs at once.
#pragma once

#include "binding/tasks.h"
#include "coder/features.h"

namespace gemlens::binding {

napi_value writeFeatures(Environment& environment, coder::Features&& features);
// The promise's value is that of writeFeatures.
Finish finishFeatures(Environment& environment, coder::Features features);

}  // namespace gemlens::binding
