// Reads tokens out of residual vectors, a few hundred rows of logits at a time.
#pragma once

#include <vector>

#include "model/transformer.h"
#include "ops/token_ranks.h"

namespace gemlens::model {

struct ReadoutOptions {
  bool finalNorm = false;
  bool softCap = false;
  int64_t topK = 0;
  std::vector<int32_t> targets;
};

// Throws ARGUMENT, SHAPE or DEVICE, before anything is queued.
void check(const Transformer& model, const Tensor& x, const ReadoutOptions& options);

// x [rows, d_model]. Throws ARGUMENT if a row's logits can't be ordered: they have a NaN or
// +infinity, or only -infinity.
ops::TokenRanks readout(const Transformer& model, const Tensor& x, const ReadoutOptions& options,
                        const CancelToken& token);

// Each is [runs · rows]; 0 if the row has no target.
struct Comparison {
  std::vector<float> loss;
  std::vector<float> kl;  // KL(softmax of the first ‖ softmax of this one), nats
};

// Throws ARGUMENT, SHAPE or DEVICE, before anything is queued. Returns the residuals in the form
// that `compare` expects.
std::vector<Tensor> checkCompared(const Transformer& model, const std::vector<Tensor>& normed,
                                  const std::vector<int32_t>& targets);

// Compares runs over the same tokens: their normed residuals [rows, d_model], and each row's next
// token (−1: none).
Comparison compare(const Transformer& model, const std::vector<Tensor>& normed,
                   const std::vector<int32_t>& targets, const CancelToken& token);

}  // namespace gemlens::model
