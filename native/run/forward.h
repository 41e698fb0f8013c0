// The plain outcome of a run: its output, drawn tokens, and what was read on the way.
#pragma once

#include "run/plan.h"

namespace gemlens::run {

struct Forward {
  model::RunResult result;
  Recorded recorded;
};

// Throws ARGUMENT if tokens are to be drawn from logits that are not finite, naming the first hook
// point that is not.
Forward forward(const Request& request, const CancelToken& token);

}  // namespace gemlens::run
