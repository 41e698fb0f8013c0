// Draws one token per row from logits [rows, vocabulary]. It applies the repetition penalty (arXiv
// 1909.05858), temperature, top-k and top-p (arXiv 1904.09751). The draw depends only on seed, row
// and step, so neither the batch nor the device changes it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/aten.h"
#include "base/error.h"

namespace gemlens::ops {

struct Sampling {
  double temperature = 1;  // 0: greedy
  int64_t topK = 0;        // 0: off
  double topP = 1;         // 1: off
  double repetitionPenalty = 1;
  uint64_t seed = 0;
  std::vector<std::vector<int32_t>> history;  // per row; only the penalty needs it
  std::vector<uint8_t> ended;  // per row: 1 if the drawn token is ignored; empty: none
};

// Thrown if no token can be drawn from a row of logits.
class NotFiniteLogits final : public Error {
 public:
  NotFiniteLogits(int64_t row, std::string message, Fields fields)
      : Error(code::kArgument, std::move(message), std::move(fields)), row_(row) {}
  int64_t row() const { return row_; }

 private:
  int64_t row_;
};

struct Sample {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;  // under the unmodified softmax
};

// Throws NotFiniteLogits if a row that has not ended has a NaN or +infinity, or only -infinity
// (masked tokens).
Sample sample(const Tensor& logits, const Sampling& sampling, int64_t step);

}  // namespace gemlens::ops
