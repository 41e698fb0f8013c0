#include "model/inputs.h"

#include "base/device.h"
#include "base/error.h"

namespace gemlens::model {

Tensor tokenTensor(const Transformer& model, const std::vector<int32_t>& ids, int64_t batch,
                   int64_t pos) {
  if (batch < 1 || pos < 1 || static_cast<int64_t>(ids.size()) != batch * pos) {
    throw Error(code::kShape,
                concat("embed: expected ", batch, " · ", pos, " token ids, got ", ids.size()));
  }
  for (const int32_t id : ids) {
    if (id >= 0 && id < model.config().dVocab) continue;
    throw Error(code::kArgument, concat("embed: expected token ids in 0 ≤ id < ",
                                        model.config().dVocab, ", got ", id));
  }
  return indexTensor(ids).view({batch, pos});
}

void checkResidual(const char* caller, const Transformer& model, const Tensor& x) {
  const int64_t width = model.config().dModel;
  if (x.dim() < 1 || x.size(-1) != width) {
    throw Error(
        code::kShape,
        concat(caller, ": expected [.., ", width, "] for input, got ", formatShape(x.sizes())),
        {{"expected", Shape{width}}, {"got", x.sizes().vec()}});
  }
  if (x.device() != model.device()) {
    throw Error(code::kDevice, concat(caller, ": expected a tensor on ", deviceName(model.device()),
                                      ", got one on ", deviceName(x.device())));
  }
}

}  // namespace gemlens::model
