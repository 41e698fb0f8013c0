#include "model/block.h"

#include <c10/core/GradMode.h>

#include <initializer_list>
#include <utility>

#include "base/error.h"
#include "ops/attention.h"
#include "ops/geglu.h"
#include "ops/rms_norm.h"

namespace gemlens::model {

using hooks::BlockPoint;

namespace {

bool unchanged(const Tensor& now, const Tensor& before) {
  return now.isclose(before, /*rtol=*/0, /*atol=*/0, /*equal_nan=*/true).all().item<bool>();
}

// Sets non-finite values at padding to 0: the pattern's 0 times such a value would be NaN in a real
// row.
Tensor zeroNonFinitePadding(const Tensor& v, const Tensor& mask) {
  if (!mask.defined()) return v;
  const Tensor padding = mask.logical_not().unsqueeze(-1).unsqueeze(-1);
  return v.masked_fill(v.isfinite().logical_not().logical_and(padding), 0);
}

}  // namespace

Tensor Block::forward(Tensor resid, Pass& pass, const ops::RopeTable& rope) const {
  auto& plan = pass.plan;
  resid = plan.at(BlockPoint::ResidPre, layer_, std::move(resid));

  Tensor attn = attention(resid, pass, rope);
  attn = norm(attn, weights_.postAttentionGain, BlockPoint::Ln1PostScale,
              BlockPoint::Ln1PostNormalized, pass);
  attn = plan.at(BlockPoint::AttnOut, layer_, std::move(attn));
  resid = plan.at(BlockPoint::ResidMid, layer_, resid.add(attn));

  Tensor out = mlp(resid, pass);
  out = norm(out, weights_.postMlpGain, BlockPoint::Ln2PostScale, BlockPoint::Ln2PostNormalized,
             pass);
  out = plan.at(BlockPoint::MlpOut, layer_, std::move(out));
  return plan.at(BlockPoint::ResidPost, layer_, resid.add(out));
}

Tensor Block::norm(const Tensor& x, const Tensor& gain, BlockPoint scalePoint,
                   BlockPoint normalizedPoint, Pass& pass) const {
  auto& plan = pass.plan;
  if (!plan.live(scalePoint, layer_) && !plan.live(normalizedPoint, layer_)) {
    return ops::rmsNorm(x, gain, config_.eps);
  }
  const Tensor scale = plan.at(scalePoint, layer_, ops::rmsScale(x, config_.eps));
  const Tensor normalized = plan.at(normalizedPoint, layer_, ops::rmsNormalize(x, scale));
  return ops::rmsApplyGain(normalized, gain, x.scalar_type());
}

Tensor Block::attention(const Tensor& resid, Pass& pass, const ops::RopeTable& rope) const {
  auto& plan = pass.plan;
  const int64_t batch = resid.size(0), pos = resid.size(1);
  Tensor input =
      norm(resid, weights_.inputGain, BlockPoint::Ln1Scale, BlockPoint::Ln1Normalized, pass);
  input = plan.at(BlockPoint::AttnIn, layer_, std::move(input));
  Tensor q = weights_.q->apply(input).view({batch, pos, config_.heads, config_.dHead});
  Tensor k = weights_.k->apply(input).view({batch, pos, config_.kvHeads, config_.dHead});
  Tensor v = weights_.v->apply(input).view({batch, pos, config_.kvHeads, config_.dHead});
  if (splitsInput(pass)) projectSplit(resid, pass, q, k, v);
  q = plan.at(BlockPoint::Q, layer_, std::move(q));
  k = plan.at(BlockPoint::K, layer_, std::move(k));
  v = plan.at(BlockPoint::V, layer_, std::move(v));
  if (config_.qkNorm) {
    q = plan.at(BlockPoint::QNormOut, layer_, ops::rmsNorm(q, weights_.qGain, config_.eps));
    k = plan.at(BlockPoint::KNormOut, layer_, ops::rmsNorm(k, weights_.kGain, config_.eps));
  }
  q = plan.at(BlockPoint::RotQ, layer_, ops::rope(q, rope));
  k = plan.at(BlockPoint::RotK, layer_, ops::rope(k, rope));
  const Tensor z = plan.at(BlockPoint::Z, layer_, attend(q, k, v, pass));
  return plan.at(BlockPoint::AttnModuleOut, layer_, output(z, pass));
}

Tensor Block::attend(const Tensor& q, const Tensor& k, const Tensor& v, Pass& pass) const {
  auto& plan = pass.plan;
  KvCache::View keys{k.transpose(1, 2), zeroNonFinitePadding(v, pass.mask).transpose(1, 2), 0};
  if (pass.kv != nullptr) keys = pass.kv->append(layer_, keys.k, keys.v);
  const int64_t count = keys.k.size(2);
  const Tensor real = pass.real.defined() ? pass.real.narrow(1, keys.keyColumn, count) : pass.real;
  const ops::AttentionShape shape{config_.attnScale, config_.attnSoftcap,
                                  config_.layers[static_cast<size_t>(layer_)].window,
                                  pass.queryColumn, keys.keyColumn};
  if (!plan.live(BlockPoint::AttnScores, layer_) && !plan.live(BlockPoint::Pattern, layer_)) {
    return ops::attention(q, keys.k, keys.v, shape, real);
  }
  const Tensor mask = ops::attentionMask(shape, q.size(1), count, real, q.device());
  const Tensor scores =
      plan.at(BlockPoint::AttnScores, layer_, ops::attentionScores(q, keys.k, shape, mask));
  const Tensor pattern = plan.at(BlockPoint::Pattern, layer_, ops::attentionPattern(scores));
  return ops::attentionZ(pattern, keys.v);
}

Tensor Block::output(const Tensor& z, Pass& pass) const {
  const int64_t batch = z.size(0), pos = z.size(1);
  if (!pass.plan.live(BlockPoint::Result, layer_)) {
    return weights_.o->apply(z.reshape({batch, pos, config_.heads * config_.dHead}));
  }
  std::vector<Tensor> heads;
  for (int64_t i = 0; i < config_.heads; ++i) {
    heads.push_back(weights_.o->headColumns(i, config_.dHead).apply(z.select(2, i)));
  }
  return pass.plan.at(BlockPoint::Result, layer_, stack(heads, 2)).sum(2);
}

Tensor Block::mlp(const Tensor& resid, Pass& pass) const {
  auto& plan = pass.plan;
  Tensor input = resid;
  // Copy: edits at hook_mlp_in must not reach the residual stream.
  if (plan.live(BlockPoint::MlpInput, layer_)) {
    input = plan.at(BlockPoint::MlpInput, layer_, resid.clone());
  }
  input = norm(input, weights_.preMlpGain, BlockPoint::Ln2Scale, BlockPoint::Ln2Normalized, pass);
  input = plan.at(BlockPoint::MlpIn, layer_, std::move(input));
  const Tensor gate = plan.at(BlockPoint::MlpPre, layer_, weights_.gate->apply(input));
  const Tensor up = plan.at(BlockPoint::MlpPreLinear, layer_, weights_.up->apply(input));
  const Tensor post = plan.at(BlockPoint::MlpPost, layer_, ops::geglu(gate, up));
  return plan.at(BlockPoint::MlpModuleOut, layer_, weights_.down->apply(post));
}

bool Block::splitsInput(const Pass& pass) const {
  const auto& plan = pass.plan;
  return plan.live(BlockPoint::AttnInput, layer_) || plan.live(BlockPoint::QInput, layer_) ||
         plan.live(BlockPoint::KInput, layer_) || plan.live(BlockPoint::VInput, layer_);
}

void Block::projectSplit(const Tensor& resid, Pass& pass, Tensor& q, Tensor& k, Tensor& v) const {
  using Projected = std::pair<const ops::Matrix&, Tensor&>;
  auto& plan = pass.plan;
  const bool recording = c10::GradMode::is_enabled();
  const auto split = [&](BlockPoint point, int64_t heads,
                         std::initializer_list<Projected> outputs) {
    if (!plan.live(point, layer_)) return;
    const Tensor whole =
        resid.unsqueeze(2).expand({-1, -1, heads, -1}).clone(at::MemoryFormat::Contiguous);
    // A gradient requested here must not also reach the residual stream a second time, in addition
    // to that through ln1.
    const bool detached = recording && !plan.differentiates(point, layer_);
    const Tensor input = plan.at(point, layer_, (detached ? whole.detach() : whole).clone());
    // If the point was only observed, keep the edits made at ln1 and attn.hook_in.
    const bool observed = unchanged(input, whole);
    if (observed && !input.requires_grad()) return;
    checkSplit(point);
    for (const auto& [weight, out] : outputs) {
      const Tensor projected = projectHeads(input, weight);
      out = observed && detached ? out.add(projected.sub(projected.detach())) : projected;
    }
  };
  split(BlockPoint::AttnInput, config_.heads,
        {{*weights_.q, q}, {*weights_.k, k}, {*weights_.v, v}});
  split(BlockPoint::QInput, config_.heads, {{*weights_.q, q}});
  split(BlockPoint::KInput, config_.kvHeads, {{*weights_.k, k}});
  split(BlockPoint::VInput, config_.kvHeads, {{*weights_.v, v}});
}

void Block::checkSplit(BlockPoint point) const {
  // If query heads share a key head, one copy per query head does not define the key head's input.
  if (point != BlockPoint::AttnInput || config_.kvHeads == config_.heads) return;
  throw Error(code::kUnsupported,
              concat("blocks.", layer_, ".hook_attn_in: changing it is not defined with ",
                     config_.kvHeads, " key heads for ", config_.heads,
                     " heads; use hook_q_input, hook_k_input, hook_v_input"),
              {{"hook", concat("blocks.", layer_, ".hook_attn_in")}});
}

Tensor Block::projectHeads(const Tensor& input, const ops::Matrix& weight) const {
  const Tensor normed = ops::rmsNorm(input, weights_.inputGain, config_.eps);
  std::vector<Tensor> heads;
  for (int64_t i = 0; i < input.size(2); ++i) {
    heads.push_back(weight.headRows(i, config_.dHead).apply(normed.select(2, i)));
  }
  return stack(heads, 2);
}

}  // namespace gemlens::model
