#include "model/readout.h"

#include <algorithm>
#include <cmath>

#include "base/dtype.h"
#include "base/error.h"
#include "base/indices.h"
#include "model/inputs.h"
#include "ops/soft_cap.h"

namespace gemlens::model {
namespace {

// Rows of [rows, d_vocab] held at once: 256 · 256,000 · 4 bytes = 262 MB.
constexpr int64_t kRows = 256;

template <typename T>
void append(std::vector<T>& out, const Tensor& values, c10::ScalarType type) {
  const Tensor host = values.to(c10::kCPU, type).contiguous();
  const T* data = host.const_data_ptr<T>();
  out.insert(out.end(), data, data + host.numel());
}

// `total`: the log of the sum of exponentials, [rows, 1]; not finite if and only if no order is.
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

void check(const Transformer& model, const Tensor& x, const ReadoutOptions& options) {
  checkResidual("readout", model, x);
  const int64_t vocabulary = model.config().dVocab;
  if (options.topK < 0 || options.topK > vocabulary) {
    throw Error(code::kArgument,
                concat("readout: expected 0 ≤ topK ≤ ", vocabulary, ", got ", options.topK));
  }
  checkIndices(options.targets, vocabulary, "targets");
}

Readout readout(const Transformer& model, const Tensor& x, const ReadoutOptions& options,
                const CancelToken& token) {
  Readout out;
  const Tensor targets = indexTensor(options.targets, model.device());
  for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
    token.check();
    Tensor rows = x.narrow(0, begin, std::min(kRows, x.size(0) - begin)).to(model.dtype());
    if (options.finalNorm) rows = model.finalNorm(rows);
    const Tensor raw = options.softCap ? model.unembed(rows) : model.unembedRaw(rows);
    const Tensor logits = raw.to(wideType(raw.scalar_type()));
    const Tensor total = logits.logsumexp(-1, /*keepdim=*/true);
    checkFinite(total, begin);
    if (options.topK > 0) {
      const auto [values, ids] = logits.topk(options.topK, -1);
      append(out.tokens, ids, c10::kInt);
      append(out.logits, values, c10::kFloat);
      append(out.logprobs, values.sub(total), c10::kFloat);
    }
    if (options.targets.empty()) continue;
    const Tensor asked = logits.index_select(1, targets);
    append(out.targetLogits, asked, c10::kFloat);
    append(out.targetLogprobs, asked.sub(total), c10::kFloat);
    for (int64_t i = 0; i < asked.size(1); ++i) {
      // Row by row of targets: [rows, targets, vocabulary] would be large.
      const Tensor rank = logits.gt(asked.narrow(1, i, 1)).sum(1);
      append(out.targetRanks, rank, c10::kInt);
    }
    // What was appended is [targets, rows] of this block: turn it.
    const size_t n = options.targets.size(), count = static_cast<size_t>(asked.size(0));
    const auto block = out.targetRanks.end() - static_cast<int64_t>(n * count);
    const std::vector<int32_t> turned(block, out.targetRanks.end());
    for (size_t r = 0; r < count; ++r) {
      for (size_t i = 0; i < n; ++i) block[static_cast<int64_t>(r * n + i)] = turned[i * count + r];
    }
  }
  return out;
}

std::vector<Tensor> checkCompared(const Transformer& model, const std::vector<Tensor>& normed,
                                  const std::vector<int32_t>& targets) {
  for (const int32_t token : targets) {
    if (token < -1 || token >= model.config().dVocab) {
      throw Error(code::kArgument, concat("compare: expected a token id or −1, got ", token));
    }
  }
  std::vector<Tensor> out;
  for (const Tensor& x : normed) {
    checkResidual("compare", model, x);
    const Tensor rows = x.reshape({-1, model.config().dModel}).to(model.dtype());
    if (rows.size(0) != static_cast<int64_t>(targets.size())) {
      throw Error(code::kShape,
                  concat("compare: expected ", targets.size(), " rows, got ", rows.size(0)));
    }
    out.push_back(rows);
  }
  return out;
}

Comparison compare(const Transformer& model, const std::vector<Tensor>& normed,
                   const std::vector<int32_t>& targets, const CancelToken& token) {
  const size_t runs = normed.size(), rows = targets.size();
  Comparison out{std::vector<float>(runs * rows, 0), std::vector<float>(runs * rows, 0)};
  std::vector<int32_t> kept;
  for (size_t r = 0; r < rows; ++r) {
    if (targets[r] >= 0) kept.push_back(static_cast<int32_t>(r));
  }
  const auto store = [&](std::vector<float>& where, size_t run, size_t begin,
                         const Tensor& values) {
    const Tensor host = values.to(c10::kCPU, c10::kFloat).contiguous();
    for (int64_t i = 0; i < host.numel(); ++i) {
      const auto row = static_cast<size_t>(kept[begin + static_cast<size_t>(i)]);
      where[run * rows + row] = host.const_data_ptr<float>()[i];
    }
  };
  for (size_t begin = 0; begin < kept.size(); begin += kRows) {
    token.check();
    const size_t end = std::min(kept.size(), begin + kRows);
    const Tensor at = indexTensor(
        {kept.begin() + static_cast<int64_t>(begin), kept.begin() + static_cast<int64_t>(end)},
        model.device());
    std::vector<int32_t> next;
    for (size_t i = begin; i < end; ++i) next.push_back(targets[static_cast<size_t>(kept[i])]);
    const Tensor target = indexTensor(next, model.device()).unsqueeze(1);
    Tensor first;
    for (size_t run = 0; run < runs; ++run) {
      const Tensor logits = model.unembed(normed[run].index_select(0, at));
      const Tensor logprobs = logits.log_softmax(-1, wideType(logits.scalar_type()));
      store(out.loss, run, begin, logprobs.gather(1, target).squeeze(1).neg());
      if (run == 0) {
        first = logprobs;
      } else {
        store(out.kl, run, begin, first.exp().mul(first.sub(logprobs)).sum(1));
      }
    }
  }
  return out;
}

}  // namespace gemlens::model
