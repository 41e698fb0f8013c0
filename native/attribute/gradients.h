// Gradients of one number at hook points and at the features of spliced coders. The forward is
// recorded from the first requested point on; one backward pass gives all gradients.
#pragma once

#include <functional>
#include <variant>
#include <vector>

#include "intervene/interventions.h"
#include "model/transformer.h"

namespace gemlens::attribute {

// Σ weights[i] · logits[rows[i], tokens[i]]; rows index the flattened batch · columns.
struct LogitTarget {
  Tensor rows, tokens;  // [n] int64
  Tensor weights;       // [n] float32
};
// Mean next-token loss over the real tokens.
struct LossTarget {};
// Σ over rows of a feature's pre-activation, computed from the splice's input if the coder is
// spliced.
struct FeatureTarget {
  std::shared_ptr<const coder::Coder> coder;
  intervene::TrackedSplice* splice = nullptr;
  int32_t feature = 0;
  Tensor rows;  // [n] int64

  // The read site of the feature's encoder.
  size_t readSite() const { return coder->encoderOf(feature); }
  int point() const { return coder->reads()[readSite()].point; }
};
// Any number. `gradient` returns its gradient at the logits.
struct MetricTarget {
  std::function<Tensor(const Tensor& logits)> gradient;
};
using Target = std::variant<LogitTarget, LossTarget, FeatureTarget, MetricTarget>;

struct GradientRequest {
  std::vector<int> points;
  std::vector<intervene::TrackedSplice*> splices;
  Target target;
};

struct SplicedGradients {
  coder::Features features;
  coder::Features grads;
};

struct GradientResult {
  double value = 0;           // NaN for a metric
  std::vector<Tensor> grads;  // one per point
  std::vector<SplicedGradients> spliced;
};

// `plan` has all actions except the cache's, which `addCache` adds after the points. `run` receives
// the run's own result. Throws HOOK if a point or splice did not fire.
GradientResult runWithGradients(const model::Transformer& model, const model::RunRequest& request,
                                hooks::HookPlan& plan, const GradientRequest& gradients,
                                const std::function<void()>& addCache, model::RunResult& run,
                                const CancelToken& token);

}  // namespace gemlens::attribute
