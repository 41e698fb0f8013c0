#include "coder/features.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace gemlens::coder {
namespace {

struct Entry {
  int32_t id;
  float value;
};

// A copy of sparse rows on the host.
class HostRows {
 public:
  explicit HostRows(const ops::SparseRows& rows)
      : indptr_(rows.indptr.cpu()), indices_(rows.indices.cpu()), values_(rows.values.cpu()) {}
  void copyOut(int64_t row, std::vector<Entry>& out) const {
    const int32_t* indptr = indptr_.const_data_ptr<int32_t>();
    const int32_t* ids = indices_.const_data_ptr<int32_t>();
    const float* values = values_.const_data_ptr<float>();
    out.clear();
    for (int32_t j = indptr[row]; j < indptr[row + 1]; ++j) out.push_back({ids[j], values[j]});
  }

 private:
  Tensor indptr_, indices_, values_;
};

ops::SparseRows pack(const std::vector<std::vector<Entry>>& rows, c10::Device device) {
  int64_t total = 0;
  for (const auto& row : rows) total += static_cast<int64_t>(row.size());
  ops::SparseRows out;
  out.indptr = empty({static_cast<int64_t>(rows.size()) + 1}, c10::kInt);
  out.indices = empty({total}, c10::kInt);
  out.values = empty({total}, c10::kFloat);
  int32_t* indptr = out.indptr.mutable_data_ptr<int32_t>();
  int32_t* ids = out.indices.mutable_data_ptr<int32_t>();
  float* values = out.values.mutable_data_ptr<float>();
  int32_t next = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    indptr[r] = next;
    for (const Entry& entry : rows[r]) {
      ids[next] = entry.id;
      values[next++] = entry.value;
    }
  }
  indptr[rows.size()] = next;
  if (!device.is_cpu()) {
    out = {out.indptr.to(device), out.indices.to(device), out.values.to(device)};
  }
  return out;
}

void applyEdit(const FeatureEdit& edit, std::vector<Entry>& row) {
  auto at = std::lower_bound(row.begin(), row.end(), edit.feature,
                             [](const Entry& entry, int32_t id) { return entry.id < id; });
  const bool present = at != row.end() && at->id == edit.feature;
  const float old = present ? at->value : 0;
  const float next = edit.op == EditOp::Zero    ? 0
                     : edit.op == EditOp::Set   ? edit.value
                     : edit.op == EditOp::Scale ? old * edit.value
                                                : old + edit.value;
  if (!std::isfinite(next)) {
    throw Error(code::kArgument,
                concat("edit: expected a finite value for feature ", edit.feature, ", got ", next,
                       " (not finite) from ", old),
                {{"feature", static_cast<double>(edit.feature)}});
  }
  if (next == 0) {
    if (present) row.erase(at);
  } else if (present) {
    at->value = next;
  } else {
    row.insert(at, {edit.feature, next});
  }
}

}  // namespace

Features editFeatures(const Features& features, const std::vector<FeatureEdit>& edits) {
  const int64_t count = features.rowCount();
  const HostRows host(features.rows);
  std::vector<std::vector<Entry>> rows(static_cast<size_t>(count));
  for (int64_t r = 0; r < count; ++r) host.copyOut(r, rows[static_cast<size_t>(r)]);
  for (const FeatureEdit& edit : edits) {
    if (edit.allRows) {
      for (auto& row : rows) applyEdit(edit, row);
    } else {
      for (const int32_t r : edit.rows) applyEdit(edit, rows[static_cast<size_t>(r)]);
    }
  }
  return {features.shape, features.dSae, pack(rows, features.rows.indptr.device())};
}

ops::SparseRows difference(const Features& before, const Features& after) {
  if (before.rowCount() != after.rowCount() || before.dSae != after.dSae) {
    throw Error(code::kShape, concat("edit: expected ", before.rowCount(), " rows of ", before.dSae,
                                     " features, got ", after.rowCount(), " rows of ", after.dSae));
  }
  const HostRows hostBefore(before.rows), hostAfter(after.rows);
  std::vector<std::vector<Entry>> rows(static_cast<size_t>(before.rowCount()));
  std::vector<Entry> old, now;
  for (int64_t r = 0; r < before.rowCount(); ++r) {
    hostBefore.copyOut(r, old);
    hostAfter.copyOut(r, now);
    auto& out = rows[static_cast<size_t>(r)];
    size_t i = 0, j = 0;
    while (i < old.size() || j < now.size()) {
      const bool takeOld = j == now.size() || (i < old.size() && old[i].id <= now[j].id);
      const bool takeNow = i == old.size() || (j < now.size() && now[j].id <= old[i].id);
      const int32_t id = takeOld ? old[i].id : now[j].id;
      const float was = takeOld ? old[i++].value : 0;
      const float is = takeNow ? now[j++].value : 0;
      if (is != was) out.push_back({id, is - was});
    }
  }
  return pack(rows, before.rows.indptr.device());
}

Features sliceRows(const Features& features, int64_t begin, int64_t end,
                   std::vector<int64_t> shape) {
  const Tensor indptr = features.rows.indptr.narrow(0, begin, end - begin + 1);
  const int64_t first = indptr[0].item<int32_t>(), last = indptr[end - begin].item<int32_t>();
  return {std::move(shape),
          features.dSae,
          {indptr.sub(first), features.rows.indices.narrow(0, first, last - first).clone(),
           features.rows.values.narrow(0, first, last - first).clone()}};
}

Tensor toDense(const Features& features) {
  const auto device = features.rows.values.device();
  const int64_t rows = features.rowCount();
  Tensor dense = zeros({rows, features.dSae}, c10::kFloat, device);
  const Tensor counts = features.rows.indptr.diff().to(c10::kLong);
  const Tensor row = arange(0, rows, device).repeat_interleave(counts);
  dense.view(-1).index_add_(0, row.mul(features.dSae).add_(features.rows.indices),
                            features.rows.values);
  std::vector<int64_t> shape = features.shape;
  shape.push_back(features.dSae);
  return dense.view(shape);
}

}  // namespace gemlens::coder
