#include "attribute/metric_gradient.h"

#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"

namespace gemlens::attribute {

Tensor metricGradient(const Tensor& scalar, const Tensor& tracked) {
  if (!tracked.requires_grad()) {
    throw Error(code::kArgument, "metric: expected a tracked tensor, got one that is not");
  }
  if (scalar.numel() != 1) {
    throw Error(
        code::kArgument,
        concat("metric: expected a tensor of one element, got ", formatShape(scalar.sizes())),
        {{"got", scalar.sizes().vec()}});
  }
  std::vector<Tensor> grads(1);
  if (scalar.requires_grad()) {
    try {
      grads = torch::autograd::grad({scalar.sum()}, {tracked}, {}, /*retain_graph=*/false,
                                    /*create_graph=*/false, /*allow_unused=*/true);
    } catch (const c10::Error&) {
      throw Error(
          code::kArgument,
          "metric: expected operations that make new tensors, got one in place that changed "
          "what the gradient needs");
    }
  }
  if (!grads[0].defined()) {
    throw Error(code::kArgument,
                "metric: expected a tensor computed from the logits by tensor operations, got one "
                "that does not depend on them");
  }
  return grads[0].detach().contiguous();
}

}  // namespace gemlens::attribute
