// A coder in the place of what it rebuilds. With the error term base + decode(f′) − decode(f), so
// without changes base itself; without it decode(f′). Under gradients the error term is a constant:
// the gradient goes through the features, and a skip's x·A (arXiv 2403.19647).
#pragma once

#include <functional>
#include <memory>

#include "intervene/feature_step.h"

namespace gemlens::intervene {

struct SpliceOptions {
  std::shared_ptr<const coder::JumpReluCoder> coder;
  int point = 0;
  int pointOut = 0;
  bool errorTerm = true;
  // Not before all interventions, but where the coder's first edit is among them; without one last.
  bool inOrder = false;
  std::vector<int32_t> skipRows;  // pass untouched
};

class Splice {
 public:
  // `rowReal` [rows] bool or undefined; `step`: the changes, null for none.
  Splice(SpliceOptions options, std::shared_ptr<FeatureStep> step, const Tensor& rowReal,
         int64_t rowCount);

  const SpliceOptions& options() const { return options_; }
  // Where the changed features go, for who reads them.
  void keepFeatures(coder::Features& slot) { slot_ = &slot; }
  // The gradient at the features is asked for: it is ⟨gradient at `output`, W_dec⟩.
  void trackOutput() { tracked_ = true; }
  const Tensor& output() const { return output_; }
  // With the changes made.
  const coder::Features& features() const { return changed_; }

  // Called with what the coder reads.
  void watch(std::function<void(const Tensor&)> watcher) { watcher_ = std::move(watcher); }

  void read(const Tensor& x);
  Tensor apply(const Tensor& base);

 private:
  SpliceOptions options_;
  std::shared_ptr<FeatureStep> step_;
  Tensor real_;    // [rows] bool or undefined
  Tensor active_;  // [rows] bool: those that the coder takes part in; undefined: all
  coder::Features* slot_ = nullptr;
  bool tracked_ = false;
  bool hasRead_ = false;
  coder::Features features_, changed_;
  Tensor values_;  // of the features, under gradients
  Tensor x_, output_;
  std::function<void(const Tensor&)> watcher_;
};

}  // namespace gemlens::intervene
