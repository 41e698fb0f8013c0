#include "intervene/splice.h"

#include <c10/core/GradMode.h>

#include "base/error.h"
#include "hooks/hook_points.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

Splice::Splice(SpliceOptions options, std::shared_ptr<FeatureStep> step, const Tensor& rowReal,
               int64_t rowCount)
    : options_(std::move(options)), step_(std::move(step)), real_(rowReal), active_(rowReal) {
  if (!options_.skipRows.empty()) {
    Tensor active = rowReal.defined() ? rowReal.cpu().clone() : full({rowCount}, 1, c10::kBool);
    bool* data = active.mutable_data_ptr<bool>();
    for (const int32_t row : options_.skipRows) data[row] = false;
    active_ = active.to(options_.coder->device());
  }
}

void Splice::read(const Tensor& x) {
  hasRead_ = true;
  if (watcher_) watcher_(x);
  const bool differentiates = c10::GradMode::is_enabled();
  if (!options_.errorTerm || differentiates || slot_ != nullptr) {
    features_ =
        options_.coder->encode(x.detach(), active_, {hooks::pointName(options_.point), real_});
    // A copy: hooks behind the splice may write to x before the coder's output is reached.
    if (options_.coder->hasSkip()) x_ = x.requires_grad() ? x : x.clone();
  }
  if (differentiates)
    values_ = x.requires_grad() ? options_.coder->track(features_, x) : features_.rows.values;
  if (step_) step_->read(x);
  if (slot_ == nullptr && !tracked_) return;
  changed_ = step_ ? step_->changed(features_, active_) : features_;
  if (slot_ != nullptr) *slot_ = changed_;
}

Tensor Splice::apply(const Tensor& base) {
  if (!hasRead_) {
    throw Error(code::kHook, "splice: the coder's input hook did not fire before its output");
  }
  hasRead_ = false;
  asRows(base, options_.coder->dOut());
  const bool differentiates = c10::GradMode::is_enabled();
  Tensor out = base;
  if (!options_.errorTerm || differentiates) {
    const auto& coder = *options_.coder;
    const Tensor rebuilt =
        (differentiates ? coder.decodeTracked(values_, features_, x_) : coder.decode(features_, x_))
            .reshape(base.sizes());
    const auto type = base.scalar_type();
    out = options_.errorTerm ? rebuilt.add(base.detach().sub(rebuilt.detach())) : rebuilt;
    out = out.to(type);
  }
  x_ = values_ = Tensor();
  if (step_) out = step_->apply(out, writesInPlace() && !active_.defined());
  if (tracked_) output_ = out = out.requires_grad() ? out : out.detach().requires_grad_(true);
  if (!active_.defined() || out.is_same(base)) return out;
  const Tensor rows = active_.reshape({-1, 1});
  const int64_t count = active_.numel();
  return where(rows, out.reshape({count, -1}), base.reshape({count, -1})).view(base.sizes());
}

}  // namespace gemlens::intervene
