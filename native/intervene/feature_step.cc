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

FeatureStep::FeatureStep(std::shared_ptr<const coder::Coder> coder,
                         std::vector<FeatureChange> changes, int64_t rowCount,
                         coder::WriteSites sites)
    : coder_(std::move(coder)), changes_(std::move(changes)), rowCount_(rowCount) {
  std::vector<int32_t> flat;
  for (const FeatureChange& change : changes_) {
    flat.push_back(change.feature);
    allRows_ = allRows_ || change.allRows;
    rows_.insert(rows_.end(), change.rows.begin(), change.rows.end());
  }
  sortDistinct(flat);
  sortDistinct(rows_);
  for (const int32_t id : flat) {
    const size_t encoder = coder_->encoderOf(id);
    if (parts_.empty() || parts_.back().encoder != encoder) parts_.emplace_back().encoder = encoder;
    parts_.back().flat.push_back(id);
    parts_.back().ids.push_back(id - static_cast<int32_t>(coder_->encoder(encoder).first()));
  }
  for (Part& part : parts_) {
    part.decoder.resize(coder_->writes().size());
    if (!touchesRows()) continue;
    part.columns = coder_->encoder(part.encoder).columns(part.ids);
    part.lines = affine(part.flat, coder_->device());
    for (size_t w = 0; w < coder_->writes().size(); ++w) {
      const coder::DecoderRows& rows = coder_->decoder(w).rows(part.encoder);
      const bool isWritten = rows.defined() && (rows.edits || sites == coder::WriteSites::All);
      if (isWritten) part.decoder[w] = rows.rows(part.ids);
    }
  }
  if (allRows_) return;
  rowIndex_ = indexTensor(rows_, coder_->device());
}

void FeatureStep::begin() {
  for (Part& part : parts_) {
    part.delta = Tensor();
    part.unwritten = 0;
  }
}

bool FeatureStep::reads(size_t read) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.encoder == read; });
}

bool FeatureStep::writes(size_t write) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.decoder[write].defined(); });
}

FeatureStep::Affine FeatureStep::affine(const std::vector<int32_t>& flat,
                                        c10::Device device) const {
  const size_t k = flat.size();
  // If every change is for all rows, one line serves all of them.
  const size_t lines = !allRows_       ? rows_.size()
                       : rows_.empty() ? 1
                                       : static_cast<size_t>(rowCount_);
  std::vector<float> factor(lines * k, 1), offset(lines * k, 0);
  const auto apply = [&](const FeatureChange& change, size_t line) {
    const size_t at = line * k + indexOf(flat, change.feature);
    const bool sets = change.op == FeatureChange::Op::Set;
    factor[at] = sets ? 0 : factor[at] * change.value;
    offset[at] = sets ? change.value : offset[at] * change.value;
  };
  for (const FeatureChange& change : changes_) {
    if (!std::binary_search(flat.begin(), flat.end(), change.feature)) continue;
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

void FeatureStep::observe(size_t read, const Tensor& x) {
  if (!touchesRows()) return;
  const coder::Encoder& encoder = coder_->encoder(read);
  for (Part& part : parts_) {
    if (part.encoder != read) continue;
    const Tensor rows = asRows(x, encoder.width());
    const Tensor taken = rowIndex_.defined() ? rows.index_select(0, rowIndex_) : rows;
    const Tensor pre = encoder.preActivations(taken, part.columns);
    const Tensor fires = pre.gt(part.columns.threshold).logical_and(pre.gt(0));
    const Tensor f = pre.mul(fires);
    part.delta = f.mul(part.lines.factor.sub(1)).add(part.lines.offset);
    part.unwritten = static_cast<int>(std::count_if(part.decoder.begin(), part.decoder.end(),
                                                    [](const Tensor& t) { return t.defined(); }));
  }
}

Tensor FeatureStep::write(size_t write, const Tensor& base, bool inPlace) {
  if (!touchesRows()) return base;
  Tensor change;
  for (Part& part : parts_) {
    const Tensor& rows = part.decoder[write];
    if (!rows.defined()) continue;
    if (!part.delta.defined()) {
      throw Error(code::kHook,
                  "intervention: the coder's input hook did not fire before its output");
    }
    const Tensor own = part.delta.matmul(rows.to(part.delta.scalar_type()));
    change = change.defined() ? change.add(own) : own;
    if (--part.unwritten == 0) part.delta = Tensor();
  }
  if (!change.defined()) return base;
  return addToRows(base, coder_->writes()[write].width, rowIndex_, change, inPlace);
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
