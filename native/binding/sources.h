// Parses tensor sources as the TypeScript readers describe them.
#pragma once

#include "binding/arguments.h"
#include "checkpoint/weight_source.h"

namespace gemlens::binding {

checkpoint::WeightSource parseSource(napi_env env, napi_value object);

}  // namespace gemlens::binding
