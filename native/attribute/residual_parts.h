// The parts of the residual stream that heads and neurons write. The scale of the norm after their
// sublayer is frozen: `factor` is its gain ÷ its scale, [batch, pos, d_model].
#pragma once

#include "base/aten.h"

namespace gemlens::attribute {

// Throws SHAPE or DEVICE unless act is [batch, pos, ..axes] with one axis (neurons) or two (heads),
// weight [..axes, d_model], gain [d_model], scale [batch, pos, 1].
void checkParts(const Tensor& act, const Tensor& weight, const Tensor& gain, const Tensor& scale,
                bool heads);
// z [batch, pos, heads, d_head], W_O [heads, d_head, d_model] → [heads, batch, pos, d_model].
Tensor headParts(const Tensor& z, const Tensor& wO, const Tensor& factor);
// post [batch, pos, d_mlp], W_out [d_mlp, d_model] → [d_mlp, batch, pos, d_model].
Tensor neuronParts(const Tensor& post, const Tensor& wOut, const Tensor& factor);

}  // namespace gemlens::attribute
