#include "run/gradients.h"

#include <algorithm>

#include "base/error.h"
#include "base/indices.h"
#include "run/check.h"
#include "run/hook_action.h"

namespace gemlens::run {
namespace {

struct CheckTarget {
  const Request& request;

  void requireOutput(model::Output output, const char* name) const {
    if (request.output == output) return;
    throw Error(code::kArgument, concat("gradients: expected output ", name, " for this target"));
  }
  void operator()(const LogitTarget& target) const {
    requireOutput(model::Output::Logits, "logits");
    const int64_t count = request.columns ? static_cast<int64_t>(request.columns->size())
                                          : request.batch * request.pos;
    checkIndices("gradients", target.rows, count, "rows");
    checkIndices("gradients", target.tokens, request.model->config().dVocab, "tokens");
    if (target.weights.size() != target.rows.size() || target.tokens.size() != target.rows.size()) {
      throw Error(code::kArgument, "gradients: expected as many tokens and weights as rows");
    }
  }
  void operator()(const LossTarget&) const { requireOutput(model::Output::Loss, "loss"); }
  void operator()(const FeatureTarget& target) const {
    checkCoder(request, *target.coder);
    checkFeature(target.feature, *target.coder);
    checkRows(request, target.rows, "rows");
  }
  void operator()(const MetricTarget&) const { requireOutput(model::Output::Logits, "logits"); }
};

Tensor floatTensor(const std::vector<float>& values) {
  Tensor out = empty({static_cast<int64_t>(values.size())}, c10::kFloat);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<float>());
  return out;
}

// Converts the target for the backward pass.
struct ToAttributeTarget {
  const Request& request;
  const Plan& plan;
  const CancelToken& token;

  attribute::Target operator()(const LogitTarget& target) const {
    return attribute::LogitTarget{indexTensor(target.rows), indexTensor(target.tokens),
                                  floatTensor(target.weights)};
  }
  attribute::Target operator()(const LossTarget&) const { return attribute::LossTarget{}; }
  attribute::Target operator()(const FeatureTarget& target) const {
    return attribute::FeatureTarget{target.coder,
                                    plan.interventions().trackedSpliceOf(target.coder.get()),
                                    target.feature, indexTensor(target.rows)};
  }
  attribute::Target operator()(const MetricTarget&) const {
    return attribute::MetricTarget{
        [callbacks = request.callbacks, &token = token](const Tensor& logits) {
          return askMetric(*callbacks, logits, token);
        }};
  }
};

}  // namespace

void check(const Request& request, const GradientRequest& gradientRequest) {
  checkPoints(request, gradientRequest.points);
  checkIndices("gradients", gradientRequest.splices,
               static_cast<int64_t>(request.interventions.splices.size()), "splices");
  std::visit(CheckTarget{request}, gradientRequest.target);
}

Gradients differentiate(const Request& request, const GradientRequest& gradientRequest,
                        const CancelToken& token) {
  Plan plan(request, token, /*tracks=*/true);
  attribute::GradientRequest gradients;
  gradients.points.assign(gradientRequest.points.begin(), gradientRequest.points.end());
  for (const int32_t i : gradientRequest.splices)
    gradients.splices.push_back(&plan.interventions().trackedSplice(static_cast<size_t>(i)));
  gradients.target = std::visit(ToAttributeTarget{request, plan, token}, gradientRequest.target);
  Gradients out;
  out.gradients = attribute::runWithGradients(
      *request.model, plan.pass(), plan.hooks(), gradients, [&plan] { plan.addCache(); },
      out.run.result, token);
  out.run.recorded = plan.finish();
  return out;
}

}  // namespace gemlens::run
