#include "intervene/tracked_splice.h"

#include <utility>

namespace gemlens::intervene {

TrackedSplice::TrackedSplice(SpliceOptions options, std::shared_ptr<FeatureStep> step,
                             const Tensor& realRows, int64_t rowCount)
    : Splice(std::move(options), std::move(step), realRows, rowCount),
      values_(coder().reads().size()),
      outputs_(coder().writes().size()) {}

void TrackedSplice::encode(size_t read, const Tensor& x) {
  if (watcher_ && read == watched_) watcher_(x);
  addToEncoding(read, x);
  const ops::SparseRows& active = encoding_.parts()[read];
  values_[read] = x.requires_grad() ? coder().encoder(read).track(active, x) : active.values;
}

Tensor TrackedSplice::rebuild(size_t write, const Tensor& base) {
  const Tensor rebuilt = coder()
                             .decoder(write)
                             .decodeTracked(values_, encoding_.parts(), skipInput(write))
                             .reshape(base.sizes());
  const Tensor out =
      options_.errorTerm ? rebuilt.add(base.detach().sub(rebuilt.detach())) : rebuilt;
  return out.to(base.scalar_type());
}

void TrackedSplice::keepChanged(const coder::Features& features) {
  changed_ = features;
  Splice::keepChanged(features);
}

Tensor TrackedSplice::afterWrite(size_t write, Tensor value) {
  if (!tracked_) return value;
  outputs_[write] = value.requires_grad() ? value : value.detach().requires_grad_(true);
  return outputs_[write];
}

void TrackedSplice::clear() {
  Splice::clear();
  values_.assign(values_.size(), Tensor());
}

}  // namespace gemlens::intervene
