// Rows of an activation taken over from another run (activation patching, arXiv 2304.14997).
#pragma once

#include "hooks/hook_plan.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

class PatchAction final : public hooks::Action {
 public:
  // x[rows[i]] = source[sourceRows[i]], of `heads` only where defined; all int64. A row is a
  // position, in attention's [batch, head, query, key] tensors a query.
  PatchAction(Tensor source, Tensor rows, Tensor sourceRows, Tensor heads)
      : source_(std::move(source)),
        rows_(std::move(rows)),
        sourceRows_(std::move(sourceRows)),
        heads_(std::move(heads)) {}
  Tensor apply(const Tensor& x, const hooks::Position& position) override;
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  Tensor source_, rows_, sourceRows_, heads_;
};

}  // namespace gemlens::intervene
