#include "intervene/patch.h"

#include "base/error.h"

namespace gemlens::intervene {
namespace {

// Masked attention scores are −∞, which is legal.
Tensor isFinite(const Tensor& x, int point) {
  const Tensor finite = x.isfinite();
  if (hooks::blockPointOf(point) != hooks::BlockPoint::AttnScores) return finite.all();
  return finite.logical_or(x.isneginf()).all();
}

}  // namespace

void checkPatches(const PatchMarks& marks) {
  for (const auto& [point, finite] : *marks) {
    if (finite.item<bool>()) continue;
    const std::string name = hooks::pointName(point);
    throw Error(code::kArgument,
                concat("patch: expected finite numbers in the source for ", name,
                       ", got some that are not finite"),
                {{"hook", name}});
  }
}

Tensor PatchAction::apply(const Tensor& x, const hooks::Firing& firing) {
  const bool attention = hooks::isAttention(firing.point);
  const auto byRow = [&](const Tensor& tensor) {
    const Tensor ordered = attention ? tensor.transpose(1, 2) : tensor;
    return ordered.flatten(0, 1);
  };
  const Tensor target = byRow(x);
  const Tensor from = byRow(source_.to(x.device(), x.scalar_type()));
  if (from.dim() != target.dim() || from.sizes().slice(1) != target.sizes().slice(1)) {
    throw Error(code::kShape, concat(hooks::pointName(firing.point), ": expected a tensor like ",
                                     formatShape(x.sizes()), " to patch from, got ",
                                     formatShape(source_.sizes())));
  }
  Tensor taken = from.index_select(0, sourceRows_);
  const Tensor put = heads_.defined() ? taken.index_select(1, heads_) : taken;
  marks_->push_back({firing.point, isFinite(put, firing.point)});
  if (heads_.defined()) {
    taken = target.index_select(0, rows_).index_copy(1, heads_, put);
  }
  if (writesInPlace() && target.is_alias_of(x)) {
    Tensor own = target;
    own.index_copy_(0, rows_, taken);
    return x;
  }
  const Tensor out = target.index_copy(0, rows_, taken);
  return attention ? out.view({x.size(0), x.size(2), x.size(1), x.size(3)}).transpose(1, 2)
                   : out.view(x.sizes());
}

}  // namespace gemlens::intervene
