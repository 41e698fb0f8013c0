// Replaces rows of an activation with those of another run (activation patching, arXiv 2304.14997).
#pragma once

#include <memory>
#include <vector>

#include "hooks/hook_plan.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

// Whether a patch's numbers at a point were finite, [] bool. It is copied to the host after the
// run, so that a GPU does not wait during it.
struct PatchMark {
  int point = 0;
  Tensor finite;
};
using PatchMarks = std::shared_ptr<std::vector<PatchMark>>;
// Throws ARGUMENT for the first patch that was not finite.
void checkPatches(const PatchMarks& marks);

class PatchAction final : public hooks::Action {
 public:
  // x[rows[i]] = source[sourceRows[i]], only for `heads` if defined; all int64. A row is a
  // position, or a query in attention's [batch, head, query, key] tensors.
  PatchAction(Tensor source, Tensor rows, Tensor sourceRows, Tensor heads, PatchMarks marks)
      : source_(std::move(source)),
        rows_(std::move(rows)),
        sourceRows_(std::move(sourceRows)),
        heads_(std::move(heads)),
        marks_(std::move(marks)) {}
  Tensor apply(const Tensor& x, const hooks::Firing& firing) override;
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  Tensor source_, rows_, sourceRows_, heads_;
  PatchMarks marks_;
};

}  // namespace gemlens::intervene
