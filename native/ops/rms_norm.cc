#include "ops/rms_norm.h"

namespace gemlens::ops {

Tensor rmsScale(const Tensor& x, double eps) {
  return x.to(c10::kFloat).square().mean(-1, /*keepdim=*/true).add_(eps).sqrt_();
}

Tensor rmsNormalize(const Tensor& x, const Tensor& scale) { return x.to(c10::kFloat).div(scale); }

Tensor rmsApplyGain(const Tensor& normalized, const Tensor& gain, c10::ScalarType type) {
  return normalized.to(c10::kFloat).mul(gain).to(type);
}

Tensor rmsNorm(const Tensor& x, const Tensor& gain, double eps) {
  return rmsApplyGain(rmsNormalize(x, rmsScale(x, eps)), gain, x.scalar_type());
}

}  // namespace gemlens::ops
