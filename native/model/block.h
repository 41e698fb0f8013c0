// One transformer block. `forward` reads as the paper: norm → attention → post-norm → residual →
// norm → gated MLP → post-norm → residual (arXiv 2408.00118, 2503.19786).
#pragma once

#include "base/aten.h"
#include "hooks/hook_plan.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "ops/rope.h"

namespace gemlens::model {

// The state that all blocks of one run share.
struct Pass {
  hooks::HookPlan& plan;
  Tensor mask;              // [batch, pos] bool of this run's columns; undefined: all real
  Tensor real;              // [batch, keys] bool over all columns; undefined: all real
  int64_t queryColumn = 0;  // column of the first position
  KvCache* kv = nullptr;
};

class Block {
 public:
  Block(const ModelConfig& config, const LayerWeights& weights, int layer)
      : config_(config), weights_(weights), layer_(layer) {}

  // Takes the residual stream [batch, pos, d] before the block and returns it after the block.
  Tensor forward(Tensor resid, Pass& pass, const ops::RopeTable& rope) const;

 private:
  Tensor norm(const Tensor& x, const Tensor& gain, hooks::BlockPoint scale,
              hooks::BlockPoint normalized, Pass& pass) const;
  Tensor attention(const Tensor& resid, Pass& pass, const ops::RopeTable& rope) const;
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, Pass& pass) const;
  Tensor output(const Tensor& z, Pass& pass) const;
  Tensor mlp(const Tensor& resid, Pass& pass) const;
  // TransformerLens' split inputs: each head reads its own copy of the residual.
  bool splitsInput(const Pass& pass) const;
  void projectSplit(const Tensor& resid, Pass& pass, Tensor& q, Tensor& k, Tensor& v) const;
  void checkSplit(hooks::BlockPoint point) const;
  Tensor projectHeads(const Tensor& input, const ops::Matrix& weight) const;

  const ModelConfig& config_;
  const LayerWeights& weights_;
  int layer_;
};

}  // namespace gemlens::model
