// What residual vectors say about tokens, some hundred rows of logits at a time.
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

// x [rows, d_model]. Throws ARGUMENT for a row whose logits have a NaN or +infinity, or -infinity
// everywhere: they have no order.
ops::TokenRanks readout(const Transformer& model, const Tensor& x, const ReadoutOptions& options,
                        const CancelToken& token);

// [runs · rows]; 0 where there is no target.
struct Comparison {
  std::vector<float> loss;
  std::vector<float> kl;  // KL(softmax of the first ‖ softmax of this one), nats
};

// Throws ARGUMENT, SHAPE or DEVICE, before anything is queued; gives the residuals as `compare`
// takes them.
std::vector<Tensor> checkCompared(const Transformer& model, const std::vector<Tensor>& normed,
                                  const std::vector<int32_t>& targets);

// Normed residuals [rows, d_model] of several runs over the same tokens, and each row's next token
// (−1: none).
Comparison compare(const Transformer& model, const std::vector<Tensor>& normed,
                   const std::vector<int32_t>& targets, const CancelToken& token);

}  // namespace gemlens::model
