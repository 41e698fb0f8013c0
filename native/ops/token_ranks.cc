#include "ops/token_ranks.h"

#include <cmath>

#include "base/dtype.h"
#include "base/error.h"
#include "base/indices.h"

namespace gemlens::ops {
namespace {

template <typename T>
void append(std::vector<T>& out, const Tensor& values, c10::ScalarType type) {
  const Tensor host = values.to(c10::kCPU, type).contiguous();
  const T* data = host.const_data_ptr<T>();
  out.insert(out.end(), data, data + host.numel());
}

// `total` [rows, 1] is the log of the sum of exponentials. It is not finite if and only if the
// row's logits can't be ordered.
void checkFinite(const Tensor& total, int64_t firstRow) {
  const Tensor host = total.to(c10::kCPU, c10::kFloat).contiguous();
  for (int64_t row = 0; row < host.size(0); ++row) {
    const float value = host.const_data_ptr<float>()[row];
    if (std::isfinite(value)) continue;
    throw Error(
        code::kArgument,
        concat("readout: expected logits to put in order, got ones that are not finite in row ",
               firstRow + row),
        {{"row", static_cast<double>(firstRow + row)}, {"notFinite", std::string("logits")}});
  }
}

}  // namespace

void checkRanks(int64_t topK, const std::vector<int32_t>& targets, int64_t vocabulary) {
  if (topK < 0 || topK > vocabulary) {
    throw Error(code::kArgument,
                concat("readout: expected 0 ≤ topK ≤ ", vocabulary, ", got ", topK));
  }
  checkIndices("readout", targets, vocabulary, "targets");
}

void checkRanks(const Tensor& logits, int64_t topK, const std::vector<int32_t>& targets) {
  if (logits.dim() < 1 || logits.size(-1) < 1 || !logits.is_floating_point()) {
    throw Error(code::kShape, concat("readout: expected logits [.., d_vocab], got ",
                                     formatShape(logits.sizes())));
  }
  checkRanks(topK, targets, logits.size(-1));
}

void appendRanks(TokenRanks& out, const Tensor& raw, int64_t topK, const Tensor& targets,
                 int64_t firstRow) {
  const Tensor logits = raw.to(wideType(raw.scalar_type()));
  const Tensor total = logits.logsumexp(-1, /*keepdim=*/true);
  checkFinite(total, firstRow);
  if (topK > 0) {
    const auto [values, ids] = logits.topk(topK, -1);
    append(out.tokens, ids, c10::kInt);
    append(out.logits, values, c10::kDouble);
    append(out.logprobs, values.sub(total), c10::kDouble);
  }
  if (targets.numel() == 0) return;
  const Tensor asked = logits.index_select(1, targets);
  append(out.targetLogits, asked, c10::kDouble);
  append(out.targetLogprobs, asked.sub(total), c10::kDouble);
  for (int64_t i = 0; i < asked.size(1); ++i) {
    // One target at a time: [rows, targets, vocabulary] would be large.
    append(out.targetRanks, logits.gt(asked.narrow(1, i, 1)).sum(1), c10::kInt);
  }
  // This block's ranks are [targets, rows]; transpose them.
  const auto n = static_cast<size_t>(asked.size(1)), count = static_cast<size_t>(asked.size(0));
  const auto block = out.targetRanks.end() - static_cast<int64_t>(n * count);
  const std::vector<int32_t> transposed(block, out.targetRanks.end());
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < n; ++i)
      block[static_cast<int64_t>(r * n + i)] = transposed[i * count + r];
  }
}

}  // namespace gemlens::ops
