#include "attribute/residual_parts.h"

#include "attribute/operand.h"

namespace gemlens::attribute {

void checkParts(const Tensor& act, const Tensor& weight, const Tensor& gain, const Tensor& scale,
                bool heads) {
  const int64_t axes = heads ? 4 : 3;
  if (act.dim() != axes || weight.dim() != axes - 1) {
    throw Error(
        code::kShape,
        concat("parts: expected an activation of ", axes, " axes and a weight of ", axes - 1,
               ", got ", formatShape(act.sizes()), " and ", formatShape(weight.sizes())));
  }
  const int64_t dModel = weight.size(-1);
  std::vector<int64_t> written = act.sizes().slice(2).vec();
  written.push_back(dModel);
  checkOperand("parts", "activation", act, act.sizes(), act.device());
  checkOperand("parts", "weight", weight, written, act.device());
  checkOperand("parts", "gain", gain, {dModel}, act.device());
  checkOperand("parts", "scale", scale, {act.size(0), act.size(1), 1}, act.device());
}

Tensor headParts(const Tensor& z, const Tensor& wO, const Tensor& factor) {
  const int64_t batch = z.size(0), pos = z.size(1), heads = z.size(2), dHead = z.size(3);
  const Tensor written = z.reshape({batch * pos, heads, dHead}).transpose(0, 1).matmul(wO);
  return written.reshape({heads, batch, pos, wO.size(2)}).mul(factor);
}

Tensor neuronParts(const Tensor& post, const Tensor& wOut, const Tensor& factor) {
  const Tensor byNeuron = post.permute({2, 0, 1}).unsqueeze(-1);
  return byNeuron.mul(wOut.unsqueeze(1).unsqueeze(1)).mul(factor);
}

}  // namespace gemlens::attribute
