// The gradient of a metric that a script computed from tracked logits.
#pragma once

#include "base/aten.h"

namespace gemlens::attribute {

// Of `scalar` (one element) at `tracked`. Throws ARGUMENT unless the one depends on the other, and
// if an operation in place changed what the gradient needs.
Tensor metricGradient(const Tensor& scalar, const Tensor& tracked);

}  // namespace gemlens::attribute
