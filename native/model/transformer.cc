#include "model/transformer.h"

#include <algorithm>
#include <cmath>

#include "base/dtype.h"
#include "ops/cross_entropy.h"
#include "ops/rms_norm.h"
#include "ops/soft_cap.h"

namespace gemlens::model {

using hooks::GlobalPoint;

namespace {

// Rows of [rows, d_vocab] logits that the loss holds at once: 256 · 256,000 · 4 bytes = 262 MB.
constexpr int64_t kLossRows = 256;

}  // namespace

Transformer::Transformer(ModelConfig config, const std::vector<checkpoint::WeightSource>& sources,
                         const std::string& dtype, c10::Device device, const CancelToken& token)
    : config_(std::move(config)), weights_(config_, sources, dtype, device, token) {
  for (int i = 0; i < config_.layerCount(); ++i)
    blocks_.emplace_back(config_, weights_.layer(i), i);
}

RunResult Transformer::run(const RunRequest& request, hooks::HookPlan& plan,
                           const CancelToken& token) const {
  RunResult result = compute(request, plan, token);
  if (result.output.defined() && plan.isHeld(result.output)) result.output = result.output.clone();
  return result;
}

RunResult Transformer::compute(const RunRequest& request, hooks::HookPlan& plan,
                               const CancelToken& token) const {
  if (request.kv) request.kv->reserve(request.pos);
  plan.setProgress(request.step, request.kv ? request.kv->length() : 0);
  Tensor resid = request.resid;
  if (resid.defined()) {
    plan.protectForeign(resid);
  } else {
    resid = plan.at(GlobalPoint::Embed, embed(request.tokens));
  }
  resid = runBlocks(request, std::move(resid), plan, token);

  RunResult result;
  const bool sampled = request.sampling.has_value();
  const bool wantsLogits = request.output == Output::Logits || request.output == Output::Loss ||
                           sampled || plan.live(GlobalPoint::UnembedOut);
  const bool wantsNorm = wantsLogits || plan.live(GlobalPoint::LnFinalScale) ||
                         plan.live(GlobalPoint::LnFinalNormalized) ||
                         plan.live(GlobalPoint::UnembedIn);
  if (request.output == Output::Residual) result.output = resid;
  if (!wantsNorm) return result;
  const Tensor normed = normalizeLast(resid, plan);
  if (!wantsLogits) return result;
  if (request.output == Output::Loss) {
    result.output = loss(request, normed, plan);
    return result;
  }
  const Tensor out = logits(request, normed, plan);
  if (request.output == Output::Logits) result.output = out;
  if (sampled) result.sample = ops::sample(out.select(1, -1), *request.sampling, request.step);
  return result;
}

Tensor Transformer::runBlocks(const RunRequest& request, Tensor resid, hooks::HookPlan& plan,
                              const CancelToken& token) const {
  Pass pass{plan, request.mask, request.mask, 0, request.kv.get()};
  Tensor before;
  if (pass.kv != nullptr) {
    before = pass.kv->rowLengths(device());
    pass.queryColumn = pass.kv->length();
    pass.kv->beginColumns(request.pos, request.mask);
    pass.real = pass.kv->real();
  }
  const auto tables = ropeTables(request, before);
  for (int layer = request.startLayer; layer < std::min(request.stopLayer, config_.layerCount());
       ++layer) {
    token.check();
    resid = blocks_[static_cast<size_t>(layer)].forward(std::move(resid), pass,
                                                        tables[static_cast<size_t>(layer)]);
  }
  token.check();
  if (pass.kv != nullptr) pass.kv->endColumns(request.pos);
  return resid;
}

std::vector<ops::RopeTable> Transformer::ropeTables(const RunRequest& request,
                                                    const Tensor& lengthsBefore) const {
  // A row's positions count its real tokens. Real tokens never attend to padding, so padding's
  // positions don't matter.
  Tensor positions = request.mask.defined() ? request.mask.cumsum(1).sub_(1).clamp_min_(0)
                                            : arange(0, request.pos, device()).unsqueeze(0);
  if (lengthsBefore.defined()) positions = positions.add(lengthsBefore.unsqueeze(1));
  std::vector<ops::RopeTable> tables;
  for (size_t i = 0; i < config_.layers.size(); ++i) {
    const LayerConfig& layer = config_.layers[i];
    size_t same = 0;
    while (same < i && (config_.layers[same].ropeBase != layer.ropeBase ||
                        config_.layers[same].ropeScale != layer.ropeScale)) {
      ++same;
    }
    if (same < i) {
      tables.push_back(tables[same]);
    } else {
      tables.push_back(ops::ropeTable(positions, config_.dHead, layer.ropeBase, layer.ropeScale));
    }
  }
  return tables;
}

Tensor Transformer::embed(const Tensor& tokens) const {
  const Tensor rows = weights_.embedding().rows(tokens.reshape(-1));
  const Tensor factor = full({}, std::sqrt(static_cast<double>(config_.dModel)), dtype(), device());
  return rows.mul(factor).view({tokens.size(0), tokens.size(1), config_.dModel});
}

Tensor Transformer::finalNorm(const Tensor& x) const {
  return ops::rmsNorm(x, weights_.finalGain(), config_.eps);
}

Tensor Transformer::unembed(const Tensor& x) const {
  return ops::softCap(unembedRaw(x), config_.finalSoftcap);
}

Tensor Transformer::unembedRaw(const Tensor& x) const { return weights_.unembedding().apply(x); }

Tensor Transformer::normalizeLast(const Tensor& resid, hooks::HookPlan& plan) const {
  Tensor normed;
  if (plan.live(GlobalPoint::LnFinalScale) || plan.live(GlobalPoint::LnFinalNormalized)) {
    const Tensor scale = plan.at(GlobalPoint::LnFinalScale, ops::rmsScale(resid, config_.eps));
    const Tensor normalized =
        plan.at(GlobalPoint::LnFinalNormalized, ops::rmsNormalize(resid, scale));
    normed = ops::rmsApplyGain(normalized, weights_.finalGain(), resid.scalar_type());
  } else {
    normed = finalNorm(resid);
  }
  return plan.at(GlobalPoint::UnembedIn, std::move(normed));
}

Tensor Transformer::logits(const RunRequest& request, const Tensor& normed,
                           hooks::HookPlan& plan) const {
  const auto choose = [&](const Tensor& x) {
    if (!request.columns.defined()) return x;
    const Tensor index = request.columns.unsqueeze(-1).expand({-1, -1, x.size(2)});
    return x.gather(1, index);
  };
  // A hook on the logits gets all positions. Without one, only the requested rows are multiplied.
  if (!plan.live(GlobalPoint::UnembedOut)) return unembed(choose(normed));
  const Tensor all = plan.at(GlobalPoint::UnembedOut, unembedRaw(normed));
  return ops::softCap(choose(all), config_.finalSoftcap);
}

Tensor Transformer::loss(const RunRequest& request, const Tensor& normed,
                         hooks::HookPlan& plan) const {
  const int64_t batch = request.batch, targetsPerRow = request.pos - 1;
  Tensor all;
  if (plan.live(GlobalPoint::UnembedOut)) {
    all = plan.at(GlobalPoint::UnembedOut, unembedRaw(normed));
    all = ops::softCap(all, config_.finalSoftcap)
              .narrow(1, 0, targetsPerRow)
              .reshape({-1, config_.dVocab});
  }
  const Tensor rows = normed.narrow(1, 0, targetsPerRow).reshape({-1, config_.dModel});
  const Tensor targets = request.tokens.narrow(1, 1, targetsPerRow).reshape(-1);
  Tensor out = empty({batch * targetsPerRow}, wideType(normed.scalar_type()), device());
  for (int64_t begin = 0; begin < out.size(0); begin += kLossRows) {
    const int64_t count = std::min(kLossRows, out.size(0) - begin);
    const Tensor part =
        all.defined() ? all.narrow(0, begin, count) : unembed(rows.narrow(0, begin, count));
    out.narrow(0, begin, count).copy_(ops::crossEntropy(part, targets.narrow(0, begin, count)));
  }
  out = out.view({batch, targetsPerRow});
  if (request.mask.defined()) {
    const Tensor counted = request.mask.narrow(1, 0, targetsPerRow)
                               .logical_and(request.mask.narrow(1, 1, targetsPerRow));
    out = out.masked_fill(counted.logical_not(), 0);
  }
  return out;
}

}  // namespace gemlens::model
