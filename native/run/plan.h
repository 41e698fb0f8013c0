// The actions of one run, and the slots for its results. Order at one point: spliced coders,
// interventions, hooks, probes, coders of `features`, the outcome's own actions, the cache.
#pragma once

#include <map>
#include <vector>

#include "run/request.h"

namespace gemlens::run {

// The recorded results of every outcome.
struct Recorded {
  std::vector<Tensor> cache;              // in the request's order
  std::vector<coder::Features> features;  // in the request's order
};

class Plan {
 public:
  // Adds all actions except the cache's. The request must outlive the plan. `tracks` is true for a
  // run with gradients.
  Plan(const Request& request, const CancelToken& token, bool tracks = false);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const model::RunRequest& pass() const { return pass_; }
  hooks::HookPlan& hooks() { return hooks_; }
  const intervene::CompiledInterventions& interventions() const { return interventions_; }

  // Call it last: a cache entry is the final value at its point.
  void addCache();

  // Call it after the run. Throws ARGUMENT if a patch is not finite, HOOK if a point did not fire.
  Recorded finish();

  // Finite marks by point (hooks::FiniteProbe). `probed`: points with an action, if the run draws
  // tokens. `recordedMarks`: cached points.
  const std::map<int, Tensor>& probed() const { return marks_; }
  std::map<int, Tensor> recordedMarks() const;

 private:
  void addProbes();
  void addFeatures();
  void checkFired() const;

  const Request& request_;
  model::RunRequest pass_;
  Tensor realRows_;  // [rows] bool or undefined
  hooks::HookPlan hooks_;
  intervene::CompiledInterventions interventions_;
  std::map<int, Tensor> marks_;
  Recorded recorded_;
};

}  // namespace gemlens::run
