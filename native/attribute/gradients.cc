#include "attribute/gradients.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "base/dtype.h"
#include "base/error.h"
#include "intervene/rows.h"

namespace gemlens::attribute {
namespace {

// Makes the value at a point a variable, at which the gradient is taken, and stores it.
class TapAction final : public hooks::Action {
 public:
  explicit TapAction(Tensor& slot) : slot_(slot) {}
  Tensor apply(const Tensor& x, const hooks::Firing&) override {
    slot_ = x.requires_grad() ? x : x.detach().requires_grad_(true);
    return slot_;
  }

 private:
  Tensor& slot_;
};

// A feature's pre-activation, summed over rows.
Tensor preActivation(const FeatureTarget& target, const Tensor& x) {
  const coder::Encoder& encoder = target.coder->encoder(target.readSite());
  const Tensor rows = intervene::takeRows(x, encoder.width(), target.rows.to(x.device()));
  const auto id = static_cast<int32_t>(target.feature - encoder.first());
  return encoder.preActivations(rows, encoder.columns({id})).sum();
}

class FeatureTargetAction final : public hooks::Action {
 public:
  FeatureTargetAction(const FeatureTarget& target, Tensor& slot) : target_(target), slot_(slot) {}
  Tensor apply(const Tensor& x, const hooks::Firing&) override {
    slot_ = preActivation(target_, x);
    return x;
  }

 private:
  const FeatureTarget& target_;
  Tensor& slot_;
};

void checkFired(const Tensor& kept, int point) {
  if (kept.defined()) return;
  const std::string name = hooks::pointName(point);
  throw Error(code::kHook, name + " did not fire in this run", {{"hook", name}});
}

// Computes the target's value from the run's output; undefined for a metric.
struct Value {
  const Tensor& output;
  const model::RunRequest& request;
  const Tensor& featureSlot;

  Tensor operator()(const LogitTarget& target) const {
    const auto device = output.device();
    const Tensor at = target.rows.mul(output.size(-1)).add(target.tokens).to(device);
    const Tensor picked = output.reshape(-1).index_select(0, at);
    return picked.to(wideType(picked.scalar_type())).mul(target.weights.to(device)).sum();
  }
  Tensor operator()(const LossTarget&) const {
    double count = static_cast<double>(output.numel());
    if (request.mask.defined()) {
      const Tensor& mask = request.mask;
      count = mask.narrow(1, 0, mask.size(1) - 1)
                  .logical_and(mask.narrow(1, 1, mask.size(1) - 1))
                  .sum()
                  .item<double>();
    }
    return output.sum().div(count);
  }
  Tensor operator()(const FeatureTarget& target) const {
    checkFired(featureSlot, target.point());
    return featureSlot;
  }
  Tensor operator()(const MetricTarget&) const { return {}; }
};

}  // namespace

GradientResult runWithGradients(const model::Transformer& model, const model::RunRequest& request,
                                hooks::HookPlan& plan, const GradientRequest& gradients,
                                const std::function<void()>& addCache, model::RunResult& run,
                                const CancelToken& token) {
  const c10::AutoGradMode recording(true);
  std::vector<Tensor> taps(gradients.points.size());
  for (size_t i = 0; i < taps.size(); ++i)
    plan.add(gradients.points[i], std::make_unique<TapAction>(taps[i]));
  Tensor featureSlot;
  if (const auto* target = std::get_if<FeatureTarget>(&gradients.target)) {
    if (target->splice == nullptr) {
      plan.add(target->point(), std::make_unique<FeatureTargetAction>(*target, featureSlot));
    } else {
      // Capture `target` by value: the callback outlives this block.
      target->splice->watch(target->readSite(), [target, &featureSlot](const Tensor& x) {
        featureSlot = preActivation(*target, x);
      });
    }
  }
  for (intervene::TrackedSplice* splice : gradients.splices) splice->trackOutput();
  addCache();
  run = model.run(request, plan, token);

  std::vector<Tensor> inputs;
  for (size_t i = 0; i < taps.size(); ++i) {
    checkFired(taps[i], gradients.points[i]);
    inputs.push_back(taps[i]);
  }
  for (const intervene::TrackedSplice* splice : gradients.splices) {
    const auto& writes = splice->coder().writes();
    for (size_t w = 0; w < writes.size(); ++w) {
      checkFired(splice->outputs()[w], writes[w].point);
      inputs.push_back(splice->outputs()[w]);
    }
  }

  Tensor output = std::visit(Value{run.output, request, featureSlot}, gradients.target);
  std::vector<Tensor> seeds;
  GradientResult result;
  result.value =
      output.defined() ? output.item<double>() : std::numeric_limits<double>::quiet_NaN();
  if (const auto* metric = std::get_if<MetricTarget>(&gradients.target)) {
    output = run.output;
    seeds.push_back(metric->gradient(output.detach()));
  }
  token.check();
  std::vector<Tensor> grads(inputs.size());
  if (output.requires_grad() && !inputs.empty()) {
    grads = torch::autograd::grad({output}, inputs, seeds, /*retain_graph=*/false,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!grads[i].defined())
      grads[i] = full(inputs[i].sizes(), 0, inputs[i].scalar_type(), inputs[i].device());
  }
  for (size_t i = 0; i < taps.size(); ++i) {
    // Autograd may pass one tensor on through sums. Clone it, so that each result owns its memory.
    Tensor own = grads[i].contiguous();
    for (const Tensor& other : result.grads) {
      if (own.is_alias_of(other)) own = own.clone();
    }
    result.grads.push_back(std::move(own));
  }
  auto grad = grads.begin() + static_cast<std::ptrdiff_t>(taps.size());
  for (const intervene::TrackedSplice* splice : gradients.splices) {
    const auto end = grad + static_cast<std::ptrdiff_t>(splice->outputs().size());
    const std::vector<Tensor> own(grad, end);
    grad = end;
    result.spliced.push_back({splice->features(), splice->coder().dots(splice->features(), own,
                                                                       coder::WriteSites::All)});
  }
  if (run.output.defined()) run.output = run.output.detach();
  return result;
}

}  // namespace gemlens::attribute
