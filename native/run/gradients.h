// A run with the gradients of one number at hook points and at the features of spliced coders.
#pragma once

#include <variant>

#include "attribute/gradients.h"
#include "run/forward.h"

namespace gemlens::run {

// Σ weights[i] · logits[rows[i], tokens[i]]; rows index the flattened batch · columns.
struct LogitTarget {
  std::vector<int32_t> rows, tokens;
  std::vector<float> weights;
};
struct LossTarget {};
// Σ over rows of a feature's pre-activation.
struct FeatureTarget {
  std::shared_ptr<const coder::Coder> coder;
  int32_t feature = 0;
  std::vector<int32_t> rows;
};
// The script's metric.
struct MetricTarget {};
using Target = std::variant<LogitTarget, LossTarget, FeatureTarget, MetricTarget>;

struct GradientRequest {
  std::vector<int32_t> points;
  std::vector<int32_t> splices;  // indices into the request's splices
  Target target;

  bool hasMetric() const { return std::holds_alternative<MetricTarget>(target); }
};

struct Gradients {
  Forward run;
  attribute::GradientResult gradients;
};

// Requires a checked `request`. Throws ARGUMENT or DEVICE.
void check(const Request& request, const GradientRequest& gradientRequest);

Gradients differentiate(const Request& request, const GradientRequest& gradientRequest,
                        const CancelToken& token);

}  // namespace gemlens::run
