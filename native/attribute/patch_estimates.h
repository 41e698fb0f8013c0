// Attribution patching (Nanda 2023; Syed et al. 2023, arXiv 2310.10348): the first-order effect of
// replacing one run's activation with another's.
#pragma once

#include <vector>

#include "base/aten.h"

namespace gemlens::attribute {

// (source − own) · gradient in float64, summed over all axes except positions and heads: [pos] or
// [pos · heads]. The tensors are [batch, pos, ..] for `headAxis` 0, [batch, pos, heads, ..] for 2,
// [batch, heads, query, key] for 1. Scores that are −∞ in both runs count as unchanged.
// `checkEstimates` throws SHAPE or DEVICE for other tensors.
void checkEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                    int64_t headAxis);
std::vector<double> patchEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                                   int64_t headAxis);

}  // namespace gemlens::attribute
