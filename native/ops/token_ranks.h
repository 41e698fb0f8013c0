// The highest tokens in rows of logits, and the ranks of chosen tokens.
#pragma once

#include <vector>

#include "base/aten.h"

namespace gemlens::ops {

// Row-major: [rows, topK] for the highest tokens, [rows, targets] for the targets. Log
// probabilities are those of the softmax.
struct TokenRanks {
  std::vector<int32_t> tokens;
  std::vector<double> logits, logprobs;
  std::vector<double> targetLogits, targetLogprobs;
  std::vector<int32_t> targetRanks;  // 0: the highest logit
};

// Throws ARGUMENT unless topK and the targets are within the vocabulary.
void checkRanks(int64_t topK, const std::vector<int32_t>& targets, int64_t vocabulary);
// The same check for logits. Throws SHAPE unless they are [.., d_vocab].
void checkRanks(const Tensor& logits, int64_t topK, const std::vector<int32_t>& targets);

// Appends the ranks of logits [rows, d_vocab]; `targets` [n] int64 on their device. Throws ARGUMENT
// if a row can't be ordered: it has a NaN or +infinity, or only -infinity. The message counts rows
// from `firstRow`.
void appendRanks(TokenRanks& out, const Tensor& logits, int64_t topK, const Tensor& targets,
                 int64_t firstRow);

}  // namespace gemlens::ops
