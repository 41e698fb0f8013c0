#include "ops/rms_norm.h"

#include "base/dtype.h"

namespace gemlens::ops {

Tensor rmsScale(const Tensor& x, double eps) {
  return x.to(wideType(x.scalar_type())).square().mean(-1, /*keepdim=*/true).add_(eps).sqrt_();
}

Tensor rmsNormalize(const Tensor& x, const Tensor& scale) {
  return x.to(wideType(x.scalar_type())).div(scale);
}

Tensor rmsApplyGain(const Tensor& normalized, const Tensor& gain, c10::ScalarType type) {
  return normalized.to(gain.scalar_type()).mul(gain).to(type);
}

Tensor rmsNorm(const Tensor& x, const Tensor& gain, double eps) {
  return rmsApplyGain(rmsNormalize(x, rmsScale(x, eps)), gain, x.scalar_type());
}

}  // namespace gemlens::ops
