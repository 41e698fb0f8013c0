// A Gemma model as data. Gemma 2 and Gemma 3 differ in these numbers, not in code.
#pragma once

#include <cstdint>
#include <vector>

namespace gemlens::model {

struct LayerConfig {
  int64_t window = 0;  // keys visible including the query itself; 0: all
  double ropeBase = 1e4;
  double ropeScale = 1;  // positions are divided by it
};

struct ModelConfig {
  int64_t dModel = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0;
  int64_t dHead = 0;
  int64_t dMlp = 0;
  int64_t dVocab = 0;
  double eps = 1e-6;
  double attnScale = 1;     // 1/√query_pre_attn_scalar
  double attnSoftcap = 0;   // 0: none
  double finalSoftcap = 0;  // 0: none
  bool qkNorm = false;
  std::vector<LayerConfig> layers;

  int layerCount() const { return static_cast<int>(layers.size()); }
};

// Throws CHECKPOINT if the sizes are invalid.
void check(const ModelConfig& config);

}  // namespace gemlens::model
