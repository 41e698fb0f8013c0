// The export lists, one per theme. module.cc calls them.
#pragma once

#include "binding/arguments.h"

namespace gemlens::binding {

void exportTensors(Environment& environment, napi_value exports);
void exportVocabulary(Environment& environment, napi_value exports);
void exportGradients(Environment& environment, napi_value exports);
void exportCoders(Environment& environment, napi_value exports);
void exportFeatures(Environment& environment, napi_value exports);
void exportModels(Environment& environment, napi_value exports);

// Copies the tensor's values to the host in row-major order. 16-bit floats become float32.
Tensor copyOut(const Tensor& tensor);

}  // namespace gemlens::binding
