#include "model/weights.h"

#include <algorithm>
#include <utility>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::model {
Weights::Weights(const ModelConfig& config, const std::vector<checkpoint::WeightSource>& sources,
                 const std::string& dtype, c10::Device device, const CancelToken& token) {
  checkpoint::MappedFiles files;
  for (const auto& source : sources) checkpoint::checkWithinFile(source, files);
  // "auto" loads every tensor in the embedding's type, because one product cannot mix two types.
  // Values are not checked. Non-finite weights show in the logits, and reading 5 GB to check them
  // would make every load as slow as the disk.
  const auto embedding = std::find_if(sources.begin(), sources.end(), [](const auto& source) {
    return source.name == "embed_tokens";
  });
  for (const auto& source : sources) {
    token.check();
    const auto inFile = embedding == sources.end() ? source.type : embedding->type;
    const auto type = dtypeOnDevice(inFile, dtype, device.is_cpu());
    // Some checkpoints store a copy of the embedding as their head. Loading it would waste memory.
    if (source.name == "lm_head" && embedding != sources.end() &&
        checkpoint::sameValues(*embedding, source, files, type, token)) {
      continue;
    }
    Tensor loaded = checkpoint::loadTensor(source, files, type, device);
    if (loaded.dim() == 2) {
      matrices_.insert_or_assign(source.name, ops::Matrix(std::move(loaded)));
    } else {
      vectors_.insert_or_assign(source.name, std::move(loaded));
    }
  }
  const int64_t d = config.dModel, q = config.heads * config.dHead,
                kv = config.kvHeads * config.dHead;
  embedding_ = &matrix("embed_tokens", config.dVocab, d);
  const bool ownHead = matrices_.count("lm_head") > 0 || vectors_.count("lm_head") > 0;
  unembedding_ = ownHead ? &matrix("lm_head", config.dVocab, d) : embedding_;
  finalGain_ = gain("norm", d);
  for (int i = 0; i < config.layerCount(); ++i) {
    const std::string at = concat("layers.", i, ".");
    LayerWeights layer;
    layer.inputGain = gain(at + "input_layernorm", d);
    layer.postAttentionGain = gain(at + "post_attention_layernorm", d);
    layer.preMlpGain = gain(at + "pre_feedforward_layernorm", d);
    layer.postMlpGain = gain(at + "post_feedforward_layernorm", d);
    if (config.qkNorm) {
      layer.qGain = gain(at + "self_attn.q_norm", config.dHead);
      layer.kGain = gain(at + "self_attn.k_norm", config.dHead);
    }
    layer.q = &matrix(at + "self_attn.q_proj", q, d);
    layer.k = &matrix(at + "self_attn.k_proj", kv, d);
    layer.v = &matrix(at + "self_attn.v_proj", kv, d);
    layer.o = &matrix(at + "self_attn.o_proj", d, q);
    layer.gate = &matrix(at + "mlp.gate_proj", config.dMlp, d);
    layer.up = &matrix(at + "mlp.up_proj", config.dMlp, d);
    layer.down = &matrix(at + "mlp.down_proj", d, config.dMlp);
    layers_.push_back(std::move(layer));
  }
}

void Weights::checkShape(const std::string& name, const std::vector<int64_t>& expected) const {
  std::vector<int64_t> got;
  if (const auto matrix = matrices_.find(name); matrix != matrices_.end()) {
    got = {matrix->second.rowCount(), matrix->second.columnCount()};
  } else if (const auto vector = vectors_.find(name); vector != vectors_.end()) {
    got = vector->second.sizes().vec();
  } else {
    throw Error(code::kCheckpoint, "checkpoint: expected a tensor " + name + ", got none",
                {{"tensor", name}});
  }
  if (got == expected) return;
  throw Error(code::kCheckpoint,
              concat("checkpoint: expected ", formatShape(expected), " for ", name, ", got ",
                     formatShape(got)),
              {{"tensor", name}, {"expected", expected}, {"got", got}});
}

const ops::Matrix& Weights::matrix(const std::string& name, int64_t rows, int64_t columns) const {
  checkShape(name, {rows, columns});
  return matrices_.at(name);
}

Tensor Weights::gain(const std::string& name, int64_t width) const {
  checkShape(name, {width});
  const Tensor& w = vectors_.at(name);
  return w.to(wideType(w.scalar_type())).add(1);
}

const Tensor& Weights::parameter(const std::string& name) const {
  if (const auto matrix = matrices_.find(name); matrix != matrices_.end()) {
    return matrix->second.dense();
  }
  if (const auto vector = vectors_.find(name); vector != vectors_.end()) return vector->second;
  if (name == "lm_head") return unembedding_->dense();
  throw Error(code::kNotFound, "weight: the model has no tensor " + name, {{"tensor", name}});
}

int64_t Weights::bytes() const {
  int64_t total = 0;
  for (const auto& [name, matrix] : matrices_) total += matrix.bytes();
  for (const auto& [name, vector] : vectors_) total += static_cast<int64_t>(vector.nbytes());
  return total;
}

}  // namespace gemlens::model
