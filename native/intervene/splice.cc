#include "intervene/splice.h"

#include "base/error.h"
#include "hooks/hook_points.h"
#include "intervene/rows.h"

namespace gemlens::intervene {
namespace {

// The rows that the coder changes: neither padding nor `skipRows`. [rows] bool; undefined: all.
Tensor activeRows(const SpliceOptions& options, const Tensor& realRows, int64_t rowCount) {
  if (options.skipRows.empty()) return realRows;
  Tensor active = realRows.defined() ? realRows.cpu().clone() : full({rowCount}, 1, c10::kBool);
  bool* data = active.mutable_data_ptr<bool>();
  for (const int32_t row : options.skipRows) data[row] = false;
  return active.to(options.coder->device());
}

}  // namespace

Splice::Splice(SpliceOptions options, std::shared_ptr<FeatureStep> step, const Tensor& realRows,
               int64_t rowCount)
    : options_(std::move(options)),
      encoding_(options_.coder, activeRows(options_, realRows, rowCount)),
      xs_(coder().reads().size()),
      step_(std::move(step)),
      real_(realRows),
      active_(encoding_.realRows()),
      fired_(coder().reads().size()) {}

void Splice::observe(size_t read, const Tensor& x) {
  fired_[read] = true;
  encode(read, x);
  if (step_) step_->observe(read, x);
  if (!wantsFeatures() || !encoding_.complete()) return;
  const coder::Features features = encoding_.features();
  keepChanged(step_ ? step_->changed(features, active_) : features);
}

Tensor Splice::write(size_t write, const Tensor& base) {
  for (size_t e = 0; e < fired_.size(); ++e) {
    if (fired_[e] || !coder().decoder(write).rows(e).defined()) continue;
    throw Error(code::kHook, "splice: the coder's input hook did not fire before its output");
  }
  const int64_t width = coder().writes()[write].width;
  asRows(base, width);
  Tensor out = rebuild(write, base);
  if (step_) out = step_->write(write, out, writesInPlace() && !active_.defined());
  out = afterWrite(write, out);
  if (++written_ == coder().writes().size()) {
    written_ = 0;
    fired_.assign(fired_.size(), false);
    clear();
  }
  if (!active_.defined() || out.is_same(base)) return out;
  const Tensor rows = active_.reshape({-1, 1});
  const int64_t count = active_.numel();
  return where(rows, out.reshape({count, -1}), base.reshape({count, -1})).view(base.sizes());
}

void Splice::keepChanged(const coder::Features& features) {
  if (slot_ != nullptr) *slot_ = features;
}

void Splice::clear() {
  encoding_.clear();
  xs_.assign(xs_.size(), Tensor());
}

void Splice::addToEncoding(size_t read, const Tensor& x) {
  encoding_.add(read, x.detach(), {hooks::pointName(coder().reads()[read].point), real_});
  for (size_t w = 0; w < coder().writes().size(); ++w) {
    const coder::Decoder& decoder = coder().decoder(w);
    if (!decoder.hasSkip() || decoder.skipRead() != read) continue;
    // Copy x: later hooks may write to it before the run reaches the coder's output.
    xs_[read] = x.requires_grad() ? x : x.clone();
    return;
  }
}

const Tensor& Splice::skipInput(size_t write) const {
  return xs_[coder().decoder(write).hasSkip() ? coder().decoder(write).skipRead() : 0];
}

}  // namespace gemlens::intervene
