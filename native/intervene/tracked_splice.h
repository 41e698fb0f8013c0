// The splice of a run with gradients. The error term is a constant. Gradients flow through the
// features and a skip connection's x·A (arXiv 2403.19647).
#pragma once

#include <functional>

#include "intervene/splice.h"

namespace gemlens::intervene {

class TrackedSplice final : public Splice {
 public:
  TrackedSplice(SpliceOptions options, std::shared_ptr<FeatureStep> step, const Tensor& realRows,
                int64_t rowCount);

  // Requests the gradient at the features, which is ⟨gradient at `outputs`, W_dec⟩.
  void trackOutput() { tracked_ = true; }
  // One for each write site; undefined before it has fired.
  const std::vector<Tensor>& outputs() const { return outputs_; }
  // The features with the changes applied.
  const coder::Features& features() const { return changed_; }
  // Calls `watcher` with x at a read site.
  void watch(size_t read, std::function<void(const Tensor&)> watcher) {
    watched_ = read;
    watcher_ = std::move(watcher);
  }

 protected:
  void encode(size_t read, const Tensor& x) override;
  Tensor rebuild(size_t write, const Tensor& base) override;
  bool wantsFeatures() const override { return tracked_ || Splice::wantsFeatures(); }
  void keepChanged(const coder::Features& features) override;
  Tensor afterWrite(size_t write, Tensor value) override;
  void clear() override;

 private:
  bool tracked_ = false;
  std::vector<Tensor> values_;  // each encoder's feature values, as functions of x
  std::vector<Tensor> outputs_;
  coder::Features changed_;
  size_t watched_ = 0;
  std::function<void(const Tensor&)> watcher_;
};

}  // namespace gemlens::intervene
