#include "intervene/feature_step.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "intervene/rows.h"

namespace gemlens::intervene {
namespace {

void sortDistinct(std::vector<int32_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

size_t indexOf(const std::vector<int32_t>& sorted, int32_t value) {
  return static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), value) -
                             sorted.begin());
}

}  // namespace

FeatureStep::FeatureStep(std::shared_ptr<const coder::JumpReluCoder> coder,
                         std::vector<FeatureChange> changes, int64_t rowCount)
    : coder_(std::move(coder)), changes_(std::move(changes)), rowCount_(rowCount) {
  for (const FeatureChange& change : changes_) {
    ids_.push_back(change.feature);
    allRows_ = allRows_ || change.allRows;
    rows_.insert(rows_.end(), change.rows.begin(), change.rows.end());
  }
  sortDistinct(ids_);
  sortDistinct(rows_);
  if (allRows_) return;
  rowIndex_ = indexTensor(rows_, coder_->device());
}

FeatureStep::Affine FeatureStep::affine(c10::Device device) const {
  const size_t k = ids_.size();
  // One line serves all rows where no change is of a few.
  const size_t lines = !allRows_       ? rows_.size()
                       : rows_.empty() ? 1
                                       : static_cast<size_t>(rowCount_);
  std::vector<float> factor(lines * k, 1), offset(lines * k, 0);
  const auto apply = [&](const FeatureChange& change, size_t line) {
    const size_t at = line * k + indexOf(ids_, change.feature);
    const bool sets = change.op == FeatureChange::Op::Set;
    factor[at] = sets ? 0 : factor[at] * change.value;
    offset[at] = sets ? change.value : offset[at] * change.value;
  };
  for (const FeatureChange& change : changes_) {
    if (change.allRows) {
      for (size_t line = 0; line < lines; ++line) apply(change, line);
    } else {
      for (const int32_t row : change.rows)
        apply(change, allRows_ ? static_cast<size_t>(row) : indexOf(rows_, row));
    }
  }
  const auto tensor = [&](const std::vector<float>& values) {
    Tensor out = empty({static_cast<int64_t>(lines), static_cast<int64_t>(k)}, c10::kFloat);
    std::copy(values.begin(), values.end(), out.mutable_data_ptr<float>());
    return out.to(device);
  };
  return {tensor(factor), tensor(offset)};
}

void FeatureStep::read(const Tensor& x) {
  if (!allRows_ && rows_.empty()) return;
  if (!columns_.wEnc.defined()) columns_ = coder_->columns(ids_);
  const Tensor rows = asRows(x, coder_->dIn());
  const Tensor taken = rowIndex_.defined() ? rows.index_select(0, rowIndex_) : rows;
  const Tensor pre = coder_->preActivations(taken, columns_);
  const Tensor fires = pre.gt(columns_.threshold).logical_and(pre.gt(0));
  const Tensor f = pre.mul(fires);
  const Affine lines = affine(f.device());
  delta_ = f.mul(lines.factor.sub(1)).add(lines.offset);
}

Tensor FeatureStep::apply(const Tensor& base, bool inPlace) {
  if (!allRows_ && rows_.empty()) return base;
  if (!delta_.defined()) {
    throw Error(code::kHook, "intervention: the coder's input hook did not fire before its output");
  }
  const Tensor change = delta_.matmul(columns_.wDec.to(delta_.scalar_type()));
  delta_ = Tensor();
  return addToRows(base, coder_->dOut(), rowIndex_, change, inPlace);
}

coder::Features FeatureStep::changed(const coder::Features& features, const Tensor& active) const {
  const Tensor mask = active.defined() ? active.cpu() : Tensor();
  const auto isActive = [&](int32_t row) {
    return !mask.defined() || mask.const_data_ptr<bool>()[row];
  };
  std::vector<coder::FeatureEdit> edits;
  for (const FeatureChange& change : changes_) {
    const auto op = change.op == FeatureChange::Op::Set ? coder::EditOp::Set : coder::EditOp::Scale;
    coder::FeatureEdit edit{
        op, change.feature, change.value, change.allRows && !mask.defined(), {}};
    if (change.allRows && mask.defined()) {
      for (int32_t row = 0; row < rowCount_; ++row) {
        if (isActive(row)) edit.rows.push_back(row);
      }
    } else if (!change.allRows) {
      std::copy_if(change.rows.begin(), change.rows.end(), std::back_inserter(edit.rows), isActive);
    }
    edits.push_back(std::move(edit));
  }
  return coder::editFeatures(features, edits);
}

}  // namespace gemlens::intervene
