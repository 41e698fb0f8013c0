#include "ops/rope.h"

#include "base/dtype.h"

namespace gemlens::ops {

RopeTable ropeTable(const Tensor& positions, int64_t dHead, double base, double scale) {
  // Rounds the inverse frequencies as transformers does: float32 powers, then the division.
  const Tensor exponent = arange(0, dHead / 2, positions.device()).to(c10::kFloat).mul(2.0 / dHead);
  const Tensor frequency =
      full({1}, base, c10::kFloat, positions.device()).pow(exponent).reciprocal().div(scale);
  const Tensor angle = positions.to(c10::kFloat).unsqueeze(-1).mul(frequency).unsqueeze(2);
  return {angle.cos(), angle.sin()};
}

Tensor rope(const Tensor& x, const RopeTable& table) {
  const int64_t half = x.size(-1) / 2;
  const Tensor wide = x.to(wideType(x.scalar_type()));
  const Tensor a = wide.narrow(-1, 0, half);
  const Tensor b = wide.narrow(-1, half, half);
  return cat({a.mul(table.cos).sub_(b.mul(table.sin)), b.mul(table.cos).add_(a.mul(table.sin))}, -1)
      .to(x.scalar_type());
}

}  // namespace gemlens::ops
