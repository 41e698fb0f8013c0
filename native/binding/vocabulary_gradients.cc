// Gradients through the small vocabulary: of a metric that a script computes from logits.
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "binding/tensors.h"

namespace gemlens::binding {
namespace {

napi_value gradMode(Arguments& args) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(readBool(args.env(), args[0]));
  return jsBool(args.env(), before);
}

napi_value gradTrack(Arguments& args) {
  return args.handles().create(args.handles().tensor(args[0]).detach().requires_grad_(true));
}

napi_value gradOf(Arguments& args) {
  const Tensor scalar = args.handles().tensor(args[0]);
  const Tensor tracked = args.handles().tensor(args[1]);
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
  return args.handles().create(grads[0].detach().contiguous());
}

}  // namespace

void exportGradients(Environment& environment, napi_value exports) {
  define<gradMode>(environment, exports, "gradMode");
  define<gradTrack>(environment, exports, "gradTrack");
  define<gradOf>(environment, exports, "gradOf");
}

}  // namespace gemlens::binding
