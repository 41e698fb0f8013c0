// The gradient of a metric that a script computed from tracked logits.
#pragma once

#include "base/aten.h"

namespace gemlens::attribute {

// The gradient of `scalar` (one element) at `tracked`. Throws ARGUMENT if `scalar` does not depend
// on `tracked`, or if an in-place operation changed a tensor that the gradient needs.
Tensor metricGradient(const Tensor& scalar, const Tensor& tracked);

}  // namespace gemlens::attribute
