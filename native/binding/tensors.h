// Export lists, one per theme; module.cc joins them.
#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

void exportTensors(Environment& environment, napi_value exports);
void exportVocabulary(Environment& environment, napi_value exports);
void exportGradients(Environment& environment, napi_value exports);
void exportCoders(Environment& environment, napi_value exports);
void exportFeatures(Environment& environment, napi_value exports);
void exportModels(Environment& environment, napi_value exports);

// A copy of the tensor's values on the host in row-major order, 16-bit floats widened.
Tensor hostValues(const Tensor& tensor);

}  // namespace gemlens::binding
