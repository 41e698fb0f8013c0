// Per-token sums in float64, from which a coder's statistics are computed.
#pragma once

#include <vector>

#include "base/aten.h"
#include "base/executor.h"

namespace gemlens::attribute {

// One entry per row of x and x̂.
struct RebuiltStatistics {
  std::vector<double> error;   // Σ_d (x − x̂)²
  std::vector<double> square;  // Σ_d x²
  std::vector<double> made;    // Σ_d x̂²
  std::vector<double> dot;     // Σ_d x·x̂
  std::vector<double> sums;    // [d_out]: Σ over rows of x
};

// Throws SHAPE or DEVICE unless x and x̂ are [rows, d_out] on one device.
void checkRebuilt(const Tensor& x, const Tensor& rebuilt);
RebuiltStatistics rebuiltStatistics(const Tensor& x, const Tensor& rebuilt,
                                    const CancelToken& token);

}  // namespace gemlens::attribute
