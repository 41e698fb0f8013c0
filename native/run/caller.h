// The script that a run waits for: it answers hooks and a metric of the logits. Called on the
// executor's thread.
#pragma once

#include "base/executor.h"
#include "hooks/hook_plan.h"

namespace gemlens::run {

class Caller {
 public:
  virtual ~Caller() = default;
  // What hook `index` of the request puts in place of x; undefined if it leaves x, which it may
  // have edited in place. Throws HOOK if the hook failed, ABORTED.
  virtual Tensor hook(int index, const Tensor& x, const hooks::Position& position,
                      const CancelToken& token) = 0;
  // The gradient at `logits` of the caller's metric; undefined if it failed. Throws ABORTED.
  virtual Tensor metric(const Tensor& logits, const CancelToken& token) = 0;
};

}  // namespace gemlens::run
