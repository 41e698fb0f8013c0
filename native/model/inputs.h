// Checks of what the model's parts are given outside a run. `what` begins the message.
#pragma once

#include <vector>

#include "model/transformer.h"

namespace gemlens::model {

// Token ids as [batch, pos] int64 on the CPU. Throws SHAPE unless there are batch · pos, ARGUMENT
// for one that the vocabulary lacks.
Tensor tokenTensor(const Transformer& model, const std::vector<int32_t>& ids, int64_t batch,
                   int64_t pos);

// Throws SHAPE unless x is [.., d_model], DEVICE unless it is where the model is.
void checkResidual(const char* what, const Transformer& model, const Tensor& x);

}  // namespace gemlens::model
