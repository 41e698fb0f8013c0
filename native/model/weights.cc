#include "model/weights.h"

#include <algorithm>
#include <utility>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::model {
namespace {

Tensor gain(const Tensor& w) { return w.to(wideType(w.scalar_type())).add(1); }

}  // namespace

Weights::Weights(const ModelConfig& config, const std::vector<checkpoint::WeightSource>& sources,
                 const std::string& dtype, c10::Device device, const CancelToken& token) {
  checkpoint::MappedFiles files;
  for (const auto& source : sources) checkpoint::checkWithinFile(source, files);
  // "auto" is the embedding's type for all, as one product cannot mix two.
  // Values are not looked at: a model whose weights are not finite shows it in its logits, and
  // reading 5 GB to say so at once would make every load as slow as the disk.
  const auto embedding = std::find_if(sources.begin(), sources.end(), [](const auto& source) {
    return source.name == "embed_tokens";
  });
  for (const auto& source : sources) {
    token.check();
    const auto inFile = embedding == sources.end() ? source.type : embedding->type;
    const auto type = dtypeOnDevice(inFile, dtype, device.is_cpu());
    // An equal copy of the embedding, as some checkpoints have one, would only take memory.
    if (source.name == "lm_head" && embedding != sources.end() &&
        checkpoint::sameValues(*embedding, source, files, type, token)) {
      continue;
    }
    byName_[source.name] = checkpoint::loadTensor(source, files, type, device);
  }
  const auto take = [&](const std::string& name, std::vector<int64_t> shape) -> const Tensor& {
    const auto found = byName_.find(name);
    if (found == byName_.end()) {
      throw Error(code::kCheckpoint, "checkpoint: expected a tensor " + name + ", got none",
                  {{"tensor", name}});
    }
    if (found->second.sizes() != at::IntArrayRef(shape)) {
      throw Error(code::kCheckpoint,
                  concat("checkpoint: expected ", formatShape(shape), " for ", name, ", got ",
                         formatShape(found->second.sizes())),
                  {{"tensor", name}, {"expected", shape}, {"got", found->second.sizes().vec()}});
    }
    return found->second;
  };
  const int64_t d = config.dModel, q = config.heads * config.dHead,
                kv = config.kvHeads * config.dHead;
  embedding_ = take("embed_tokens", {config.dVocab, d});
  unembedding_ = byName_.count("lm_head") > 0 ? take("lm_head", {config.dVocab, d}) : embedding_;
  finalGain_ = gain(take("norm", {d}));
  for (int i = 0; i < config.layerCount(); ++i) {
    const std::string at = concat("layers.", i, ".");
    LayerWeights layer;
    layer.inputGain = gain(take(at + "input_layernorm", {d}));
    layer.postAttentionGain = gain(take(at + "post_attention_layernorm", {d}));
    layer.preMlpGain = gain(take(at + "pre_feedforward_layernorm", {d}));
    layer.postMlpGain = gain(take(at + "post_feedforward_layernorm", {d}));
    if (config.qkNorm) {
      layer.qGain = gain(take(at + "self_attn.q_norm", {config.dHead}));
      layer.kGain = gain(take(at + "self_attn.k_norm", {config.dHead}));
    }
    layer.q = take(at + "self_attn.q_proj", {q, d});
    layer.k = take(at + "self_attn.k_proj", {kv, d});
    layer.v = take(at + "self_attn.v_proj", {kv, d});
    layer.o = take(at + "self_attn.o_proj", {d, q});
    layer.gate = take(at + "mlp.gate_proj", {config.dMlp, d});
    layer.up = take(at + "mlp.up_proj", {config.dMlp, d});
    layer.down = take(at + "mlp.down_proj", {d, config.dMlp});
    layers_.push_back(std::move(layer));
  }
}

const Tensor& Weights::parameter(const std::string& name) const {
  const auto found = byName_.find(name);
  if (found != byName_.end()) return found->second;
  if (name == "lm_head") return unembedding_;
  throw Error(code::kNotFound, "weight: the model has no tensor " + name, {{"tensor", name}});
}

int64_t Weights::bytes() const {
  int64_t total = 0;
  for (const auto& [name, tensor] : byName_) total += static_cast<int64_t>(tensor.nbytes());
  return total;
}

}  // namespace gemlens::model
