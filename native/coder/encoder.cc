#include "coder/encoder.h"

#include <utility>

#include "base/device.h"
#include "base/dtype.h"
#include "base/error.h"
#include "ops/jump_relu_grad.h"

namespace gemlens::coder {
namespace {

// Restates the error in the input's axes: the row of the batch and the position among its real
// tokens.
Error locatedError(const ops::NotFiniteRow& e, const std::vector<int64_t>& shape,
                   const Tensor& real, const std::string& caller, int64_t index) {
  Fields fields{{"row", static_cast<double>(e.row())}};
  std::string where = concat("row ", e.row());
  if (shape.size() == 2) {
    const int64_t batch = e.row() / shape[1], column = e.row() % shape[1];
    const int64_t position =
        real.defined() ? real.narrow(0, batch * shape[1], column).sum().item<int64_t>() : column;
    where = concat("row ", batch, ", position ", position);
    fields.emplace_back("batch", static_cast<double>(batch));
    fields.emplace_back("position", static_cast<double>(position));
  }
  fields.emplace_back(e.isFeature() ? "feature" : "dimension", static_cast<double>(index));
  const std::string fact = e.isFeature() ? concat("expected finite pre-activations, got ",
                                                  e.value(), " (not finite) for feature ", index)
                                         : concat("expected finite input, got ", e.value(),
                                                  " (not finite) for dimension ", index);
  const std::string cause =
      e.isFeature() ? " (an overflow, or a parameter of the coder that is not finite)" : "";
  return Error(code::kArgument, concat(caller, ": ", fact, " in ", where, cause),
               std::move(fields));
}

ops::Matrix asMatrix(const char* name, Tensor tensor) {
  if (tensor.dim() == 2) return tensor;
  throw Error(code::kCheckpoint, concat("coder: expected two dimensions for ", name));
}

}  // namespace

void checkShape(const char* name, const Tensor& tensor, std::vector<int64_t> expected) {
  if (tensor.sizes() == at::IntArrayRef(expected)) return;
  throw Error(
      code::kCheckpoint,
      concat("coder: expected ", formatShape(expected), " for ", name, ", got ",
             formatShape(tensor.sizes())),
      {{"tensor", std::string(name)}, {"expected", expected}, {"got", tensor.sizes().vec()}});
}

Encoder::Encoder(Tensor wEnc, Tensor bEnc, Tensor threshold, Tensor shift, int64_t first)
    : wEnc_(asMatrix("W_enc", std::move(wEnc))),
      bEnc_(std::move(bEnc)),
      threshold_(std::move(threshold)),
      shift_(std::move(shift)),
      first_(first) {
  checkShape("b_enc", bEnc_, {features()});
  if (!threshold_.defined()) threshold_ = zeros({features()}, bEnc_.scalar_type(), device());
  checkShape("threshold", threshold_, {features()});
  if (shift_.defined()) checkShape("the b_dec subtracted from the input", shift_, {width()});
}

int64_t Encoder::bytes() const {
  return wEnc_.bytes() + static_cast<int64_t>(bEnc_.nbytes() + threshold_.nbytes());
}

Tensor Encoder::parameter(const std::string& name) const {
  if (name == "W_enc") return wEnc_.dense();
  if (name == "b_enc") return bEnc_;
  if (name == "threshold") return threshold_;
  return {};
}

std::vector<int64_t> Encoder::leadingShape(const Tensor& x) const {
  const auto sizes = x.sizes();
  const size_t dim = sizes.size();
  if (x.device() != device()) {
    throw Error(code::kDevice, concat("coder: expected a tensor on ", deviceName(device()),
                                      ", got one on ", deviceName(x.device())));
  }
  if (dim >= 1 && sizes[dim - 1] == width()) return {sizes.begin(), sizes.end() - 1};
  if (dim >= 2 && sizes[dim - 1] * sizes[dim - 2] == width())
    return {sizes.begin(), sizes.end() - 2};
  throw Error(code::kShape,
              concat("encode: expected [.., ", width(), "] for input, got ", formatShape(sizes)),
              {{"expected", Shape{width()}}, {"got", sizes.vec()}});
}

Tensor Encoder::input(const Tensor& x) const {
  const Tensor rows = asRows(x);
  if (!shift_.defined()) return rows;
  const auto type = wideType(rows.scalar_type());
  return rows.to(type).sub(shift_.to(type));
}

ops::SparseRows Encoder::encodeRows(const Tensor& x, const EncoderColumns& columns,
                                    const Tensor& realRows, const ErrorContext& context,
                                    const std::vector<int32_t>* ids) const {
  const std::vector<int64_t> shape = leadingShape(x);
  try {
    return ops::jumpReluEncode(input(x), columns.wEnc, columns.bEnc, columns.threshold, realRows);
  } catch (const ops::NotFiniteRow& e) {
    const bool renumbered = ids != nullptr && e.isFeature();
    const int64_t at = renumbered ? (*ids)[static_cast<size_t>(e.index())] : e.index();
    throw locatedError(e, shape, context.real.defined() ? context.real : realRows, context.caller,
                       e.isFeature() ? first_ + at : at);
  }
}

ops::SparseRows Encoder::encode(const Tensor& x, const Tensor& realRows,
                                const ErrorContext& context) const {
  return encodeRows(x, {wEnc_, bEnc_, threshold_}, realRows, context, nullptr);
}

ops::SparseRows Encoder::encodeOnly(const Tensor& x, const std::vector<int32_t>& ids,
                                    const Tensor& realRows) const {
  ops::SparseRows rows = encodeRows(x, columns(ids), realRows, {}, &ids);
  rows.indices = indexTensor(ids, device()).to(c10::kInt).index_select(0, rows.indices);
  return rows;
}

Tensor Encoder::track(const ops::SparseRows& active, const Tensor& x) const {
  return ops::activeValues(asRows(x), active, wEnc_);
}

EncoderColumns Encoder::columns(const std::vector<int32_t>& ids) const {
  const Tensor index = indexTensor(ids, device());
  return {wEnc_.columns(index), bEnc_.index_select(0, index), threshold_.index_select(0, index)};
}

Tensor Encoder::preActivations(const Tensor& x, const EncoderColumns& columns) const {
  leadingShape(x);
  const Tensor rows = input(x);
  const auto type =
      rows.scalar_type() == c10::ScalarType::Double ? c10::ScalarType::Double : wEnc_.dtype();
  return addmm(columns.bEnc.to(type), rows.to(type), columns.wEnc.dense().to(type))
      .to(wideType(type));
}

}  // namespace gemlens::coder
