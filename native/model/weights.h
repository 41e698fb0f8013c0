// The tensors of a checkpoint under their neutral names ("layers.3.self_attn.q_proj"), and the same
// by role. Matrices stay as published, [out, in]; gains are 1 + w in float32.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/aten.h"
#include "base/executor.h"
#include "checkpoint/weight_source.h"
#include "model/config.h"
#include "ops/matrix.h"

namespace gemlens::model {

// Weights owns the matrices.
struct LayerWeights {
  Tensor inputGain, postAttentionGain, preMlpGain, postMlpGain;  // [d]
  Tensor qGain, kGain;           // [d_head]; undefined without qk-norm
  const ops::Matrix *q, *k, *v;  // [heads · d_head, d]
  const ops::Matrix* o;          // [d, heads · d_head]
  const ops::Matrix *gate, *up;  // [d_mlp, d]
  const ops::Matrix* down;       // [d, d_mlp]
};

class Weights {
 public:
  // Checks every tensor against its file before it loads the first. It loads one tensor at a time,
  // so the peak is the target plus the largest tensor. Throws CHECKPOINT, or ABORTED between two
  // tensors.
  Weights(const ModelConfig& config, const std::vector<checkpoint::WeightSource>& sources,
          const std::string& dtype, c10::Device device, const CancelToken& token);

  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  const LayerWeights& layer(int index) const { return layers_[static_cast<size_t>(index)]; }
  const ops::Matrix& embedding() const { return *embedding_; }  // [d_vocab, d]
  // [d_vocab, d]: the checkpoint's own head if it differs from the embedding, otherwise the
  // embedding.
  const ops::Matrix& unembedding() const { return *unembedding_; }
  bool tied() const { return unembedding_ == embedding_; }
  const Tensor& finalGain() const { return finalGain_; }
  // "lm_head" is the unembedding, tied or not. Throws NOT_FOUND if there is no such tensor.
  const Tensor& parameter(const std::string& name) const;
  int64_t bytes() const;

 private:
  // Each throws CHECKPOINT if there is no such tensor, or it has another shape.
  void checkShape(const std::string& name, const std::vector<int64_t>& expected) const;
  const ops::Matrix& matrix(const std::string& name, int64_t rows, int64_t columns) const;
  Tensor gain(const std::string& name, int64_t width) const;

  // These own the weights; the roles point into them.
  std::map<std::string, ops::Matrix> matrices_;
  std::map<std::string, Tensor> vectors_;
  std::vector<LayerWeights> layers_;
  const ops::Matrix *embedding_, *unembedding_;
  Tensor finalGain_;
};

}  // namespace gemlens::model
