// −log softmax(logits)[target] per row, in float32: logits [rows, vocabulary], targets [rows]
// int64.
#pragma once

#include "base/aten.h"
#include "base/dtype.h"

namespace gemlens::ops {

inline Tensor crossEntropy(const Tensor& logits, const Tensor& targets) {
  const Tensor wide = logits.to(wideType(logits.scalar_type()));
  return wide.logsumexp(-1).sub(wide.gather(-1, targets.unsqueeze(-1)).squeeze(-1));
}

}  // namespace gemlens::ops
