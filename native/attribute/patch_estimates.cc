#include "attribute/patch_estimates.h"

#include "attribute/operand.h"

namespace gemlens::attribute {

void checkEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                    int64_t headAxis) {
  if (headAxis < 0 || headAxis > 2 || source.dim() != (headAxis == 0 ? 3 : 4)) {
    throw Error(code::kShape, concat("estimates: expected 3 axes, or 4 of which axis 1 or 2 is of "
                                     "heads, got ",
                                     formatShape(source.sizes()), " and axis ", headAxis));
  }
  checkOperand("estimates", "source", source, source.sizes(), source.device());
  checkOperand("estimates", "own", own, source.sizes(), source.device());
  checkOperand("estimates", "gradient", gradient, source.sizes(), source.device());
}

std::vector<double> patchEstimates(const Tensor& source, const Tensor& own, const Tensor& gradient,
                                   int64_t headAxis) {
  const Tensor change = source.to(c10::kDouble).sub(own.to(c10::kDouble));
  const Tensor product = change.masked_fill(change.ne(change), 0).mul(gradient.to(c10::kDouble));
  Tensor effects;
  if (headAxis == 0) {
    effects = product.sum(at::IntArrayRef{0, 2});
  } else {
    effects = product.sum(at::IntArrayRef{0, 3});
    if (headAxis == 1) effects = effects.transpose(0, 1);
  }
  const Tensor host = effects.cpu().contiguous();
  const double* data = host.const_data_ptr<double>();
  return {data, data + host.numel()};
}

}  // namespace gemlens::attribute
