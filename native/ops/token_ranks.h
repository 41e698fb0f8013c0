// The highest tokens of rows of logits, and the places of chosen ones.
#pragma once

#include <vector>

#include "base/aten.h"

namespace gemlens::ops {

// Row after row: topK of each, then the targets of each. Log probabilities are of the softmax.
struct TokenRanks {
  std::vector<int32_t> tokens;
  std::vector<double> logits, logprobs;
  std::vector<double> targetLogits, targetLogprobs;
  std::vector<int32_t> targetRanks;  // 0: the highest logit
};

// Throws ARGUMENT unless topK and the targets lie in the vocabulary.
void checkRanks(int64_t topK, const std::vector<int32_t>& targets, int64_t vocabulary);
// The same for logits [.., d_vocab]; throws SHAPE for others.
void checkRanks(const Tensor& logits, int64_t topK, const std::vector<int32_t>& targets);

// Appends rows of logits [rows, d_vocab]; `targets` [n] int64 on their device. Throws ARGUMENT for
// a row that has a NaN or +infinity, or -infinity everywhere: it has no order. The message counts
// rows from `firstRow`.
void appendRanks(TokenRanks& out, const Tensor& logits, int64_t topK, const Tensor& targets,
                 int64_t firstRow);

}  // namespace gemlens::ops
