// Where a run whose logits are not finite went wrong.
#pragma once

#include "run/plan.h"

namespace gemlens::run {

// Throws `error` with the first hook point known not to be finite, after a run by `plan`. A run
// without the caller's hooks is done again, with a look at more points.
[[noreturn]] void explain(const ops::NotFiniteLogits& error, const Request& request,
                          const Plan& plan, const CancelToken& token);

}  // namespace gemlens::run
