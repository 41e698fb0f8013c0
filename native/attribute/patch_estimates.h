// Attribution patching (Nanda 2023; Syed et al. 2023, arXiv 2310.10348): the first-order effect of
// putting one run's activation in the place of another's.
#pragma once

#include <vector>

#include "base/aten.h"

namespace gemlens::attribute {

// (source − own) · gradient in float64, summed over all axes but positions (the one after the
// batch, or after the heads) and heads: [pos] or [pos · heads]. The three are [batch, pos, ..], or
// with `headAxis` 2 [batch, pos, heads, ..], or with 1 [batch, heads, query, key]. Scores that are
// −∞ in both runs do not change.
// Throws SHAPE or DEVICE for others.
void checkEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                    int64_t headAxis);
std::vector<double> patchEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                                   int64_t headAxis);

}  // namespace gemlens::attribute
