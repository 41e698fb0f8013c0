// Rows of an activation taken over from another run (activation patching, arXiv 2304.14997).
#pragma once

#include <memory>
#include <vector>

#include "hooks/hook_plan.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

// Whether what a patch put in at a point was finite, [] bool: asked for after the run, so that a
// GPU need not wait in it.
struct PatchMark {
  int point = 0;
  Tensor finite;
};
using PatchMarks = std::shared_ptr<std::vector<PatchMark>>;
// Throws ARGUMENT for the first that was not.
void checkPatches(const PatchMarks& marks);

class PatchAction final : public hooks::Action {
 public:
  // x[rows[i]] = source[sourceRows[i]], of `heads` only where defined; all int64. A row is a
  // position, in attention's [batch, head, query, key] tensors a query.
  PatchAction(Tensor source, Tensor rows, Tensor sourceRows, Tensor heads, PatchMarks marks)
      : source_(std::move(source)),
        rows_(std::move(rows)),
        sourceRows_(std::move(sourceRows)),
        heads_(std::move(heads)),
        marks_(std::move(marks)) {}
  Tensor apply(const Tensor& x, const hooks::Position& position) override;
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  Tensor source_, rows_, sourceRows_, heads_;
  PatchMarks marks_;
};

}  // namespace gemlens::intervene
