#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

// modelReadout, modelCompare.
void exportReadout(Environment& environment, napi_value exports);

// Throws SHAPE unless x is [.., d_model], DEVICE unless it is where the model is.
void checkResidual(const char* what, const ModelPtr& model, const Tensor& x);

}  // namespace gemlens::binding
