// The actions of one run, and where they leave what they read. Order at one point: spliced coders,
// interventions, hooks, probes, coders of `features`, then what the outcome adds, then the cache.
#pragma once

#include <map>
#include <vector>

#include "run/request.h"

namespace gemlens::run {

// What every outcome has.
struct Recorded {
  std::vector<Tensor> cache;              // in the request's order
  std::vector<coder::Features> features;  // likewise
};

class Plan {
 public:
  // All actions but the cache's. The request must outlive it. `tracks`: for a run with gradients.
  Plan(const Request& request, const CancelToken& token, bool tracks = false);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const model::RunRequest& pass() const { return pass_; }
  hooks::HookPlan& hooks() { return hooks_; }
  const intervene::Compiled& edits() const { return edits_; }

  // Last: an entry is the value that goes on.
  void addCache();

  // After the run. Throws ARGUMENT for a patch that is not finite, HOOK for a point that did not
  // fire.
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
  Tensor rowReal_;  // [rows] bool or undefined
  hooks::HookPlan hooks_;
  intervene::Compiled edits_;
  std::map<int, Tensor> marks_;
  Recorded recorded_;
};

}  // namespace gemlens::run
