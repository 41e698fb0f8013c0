// The gradient of a metric that a script computes from logits with the small vocabulary.
#include <c10/core/GradMode.h>

#include "attribute/metric_gradient.h"
#include "binding/tensors.h"

namespace gemlens::binding {
namespace {

napi_value gradMode(Arguments& args) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(parseBool(args.env(), args[0]));
  return jsBool(args.env(), before);
}

napi_value gradTrack(Arguments& args) {
  return args.handles().create(args.handles().tensor(args[0]).detach().requires_grad_(true));
}

napi_value gradOf(Arguments& args) {
  return args.handles().create(
      attribute::metricGradient(args.handles().tensor(args[0]), args.handles().tensor(args[1])));
}

}  // namespace

void exportGradients(Environment& environment, napi_value exports) {
  define<gradMode>(environment, exports, "gradMode");
  define<gradTrack>(environment, exports, "gradTrack");
  define<gradOf>(environment, exports, "gradOf");
}

}  // namespace gemlens::binding
