#include "hooks/finite_probe.h"

namespace gemlens::hooks {

Tensor finiteMark(int point, const Tensor& x, const Tensor& mask) {
  Tensor rows = isAttention(point) ? x.transpose(1, 2) : x;
  if (mask.defined()) {
    Tensor padding = mask.logical_not();
    while (padding.dim() < rows.dim()) padding = padding.unsqueeze(-1);
    rows = rows.masked_fill(padding, 0);
  }
  std::vector<int64_t> others;
  for (int64_t dim = 1; dim < rows.dim(); ++dim) others.push_back(dim);
  if (blockPointOf(point) == BlockPoint::AttnScores) return rows.amax(others);
  return rows.sum(others, /*keepdim=*/false, c10::kFloat);
}

}  // namespace gemlens::hooks
