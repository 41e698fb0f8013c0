// The callbacks of the script that a run waits for: hooks, and a metric of the logits. They are
// called on the executor's thread.
#pragma once

#include "base/executor.h"
#include "hooks/hook_plan.h"

namespace gemlens::run {

class Callbacks {
 public:
  virtual ~Callbacks() = default;
  // Calls hook `index` of the request. Returns its replacement for x, or an undefined tensor if it
  // keeps x, which it may have edited in place. Throws HOOK if the hook failed, ABORTED if `token`
  // is cancelled.
  virtual Tensor hook(int index, const Tensor& x, const hooks::Firing& firing,
                      const CancelToken& token) = 0;
  // Returns the metric's gradient at `logits`, or an undefined tensor if the metric failed. Throws
  // ABORTED if `token` is cancelled.
  virtual Tensor metric(const Tensor& logits, const CancelToken& token) = 0;
};

}  // namespace gemlens::run
