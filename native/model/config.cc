#include "model/config.h"

#include "base/error.h"

namespace gemlens::model {

void check(const ModelConfig& config) {
  if (config.heads < 1 || config.kvHeads < 1 || config.heads % config.kvHeads != 0 ||
      config.dHead < 2 || config.dHead % 2 != 0 || config.dModel < 1 || config.dVocab < 1 ||
      config.dMlp < 1) {
    throw Error(code::kCheckpoint,
                "model: expected positive sizes, heads a multiple of key heads and an even d_head");
  }
}

}  // namespace gemlens::model
