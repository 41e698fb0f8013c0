// Finds where a run with non-finite logits went wrong.
#pragma once

#include "run/plan.h"

namespace gemlens::run {

// Throws `error` with the first hook point known not to be finite, after a run of `plan`. A run
// without hooks is repeated with more points probed.
[[noreturn]] void explain(const ops::NotFiniteLogits& error, const Request& request,
                          const Plan& plan, const CancelToken& token);

}  // namespace gemlens::run
