// Checks the inputs of the model's parts when they are called outside a run. `caller` starts the
// message.
#pragma once

#include <vector>

#include "model/transformer.h"

namespace gemlens::model {

// Token ids as [batch, pos] int64 on the CPU. Throws SHAPE unless there are batch · pos, ARGUMENT
// if one is out of the vocabulary's range.
Tensor tokenTensor(const Transformer& model, const std::vector<int32_t>& ids, int64_t batch,
                   int64_t pos);

// Throws SHAPE unless x is [.., d_model], DEVICE unless it is on the model's device.
void checkResidual(const char* caller, const Transformer& model, const Tensor& x);

}  // namespace gemlens::model
