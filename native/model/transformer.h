// The model: embedding, blocks, final norm and unembedding.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/aten.h"
#include "base/executor.h"
#include "hooks/hook_plan.h"
#include "model/block.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "ops/sample.h"

namespace gemlens::model {

enum class Output { Logits, Residual, Loss, None };

struct RunRequest {
  int64_t batch = 0;
  int64_t pos = 0;
  Tensor tokens;  // [batch, pos] int64; undefined with `resid`
  Tensor resid;   // [batch, pos, d], the input of startLayer
  Tensor mask;    // [batch, pos] bool, true for a real token; undefined: all real
  int startLayer = 0;
  int stopLayer = 0;
  Output output = Output::Logits;
  Tensor columns;  // [batch, n] int64: columns whose logits are returned; undefined: all
  std::shared_ptr<KvCache> kv;
  int64_t step = 0;
  std::optional<ops::Sampling> sampling;
};

struct RunResult {
  Tensor output;
  std::optional<ops::Sample> sample;
};

class Transformer {
 public:
  Transformer(ModelConfig config, const std::vector<checkpoint::WeightSource>& sources,
              const std::string& dtype, c10::Device device, const CancelToken& token);
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  c10::ScalarType dtype() const { return weights_.embedding().dtype(); }
  c10::Device device() const { return weights_.embedding().device(); }

  // Throws ABORTED between two blocks once `token` is cancelled.
  RunResult run(const RunRequest& request, hooks::HookPlan& plan, const CancelToken& token) const;

  // W_E[tokens] · √d, the factor rounded to the weights' type as transformers does: [batch, pos,
  // d].
  Tensor embed(const Tensor& tokens) const;
  // [.., d] → [.., d].
  Tensor finalNorm(const Tensor& x) const;
  // Normed [.., d] → logits [.., d_vocab] after the soft cap.
  Tensor unembed(const Tensor& x) const;
  // The same before the soft cap.
  Tensor unembedRaw(const Tensor& x) const;

 private:
  RunResult compute(const RunRequest& request, hooks::HookPlan& plan,
                    const CancelToken& token) const;
  Tensor runBlocks(const RunRequest& request, Tensor resid, hooks::HookPlan& plan,
                   const CancelToken& token) const;
  std::vector<ops::RopeTable> ropeTables(const RunRequest& request,
                                         const Tensor& lengthsBefore) const;
  Tensor normalizeLast(const Tensor& resid, hooks::HookPlan& plan) const;
  Tensor logits(const RunRequest& request, const Tensor& normed, hooks::HookPlan& plan) const;
  Tensor loss(const RunRequest& request, const Tensor& normed, hooks::HookPlan& plan) const;

  ModelConfig config_;
  Weights weights_;
  std::vector<Block> blocks_;
};

}  // namespace gemlens::model
