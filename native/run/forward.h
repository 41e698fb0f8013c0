// The plain outcome of a run: its output, the drawn tokens and the recorded activations.
#pragma once

#include "run/plan.h"

namespace gemlens::run {

struct Forward {
  model::RunResult result;
  Recorded recorded;
};

// Throws ARGUMENT if tokens must be drawn from non-finite logits, naming the first hook point known
// not to be finite.
Forward forward(const Request& request, const CancelToken& token);

}  // namespace gemlens::run
