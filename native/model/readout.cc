#include "model/readout.h"

#include <algorithm>

#include "base/dtype.h"
#include "base/error.h"
#include "base/indices.h"
#include "model/inputs.h"
#include "ops/soft_cap.h"

namespace gemlens::model {
namespace {

// Rows of [rows, d_vocab] logits held at once: 256 · 256,000 · 4 bytes = 262 MB.
constexpr int64_t kRows = 256;

}  // namespace

void check(const Transformer& model, const Tensor& x, const ReadoutOptions& options) {
  checkResidual("readout", model, x);
  ops::checkRanks(options.topK, options.targets, model.config().dVocab);
}

ops::TokenRanks readout(const Transformer& model, const Tensor& x, const ReadoutOptions& options,
                        const CancelToken& token) {
  ops::TokenRanks out;
  const Tensor targets = indexTensor(options.targets, model.device());
  for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
    token.check();
    Tensor rows = x.narrow(0, begin, std::min(kRows, x.size(0) - begin)).to(model.dtype());
    if (options.finalNorm) rows = model.finalNorm(rows);
    const Tensor raw = options.softCap ? model.unembed(rows) : model.unembedRaw(rows);
    ops::appendRanks(out, raw, options.topK, targets, begin);
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
