#include "coder/jump_relu_coder.h"

#include <utility>

#include "base/device.h"
#include "base/dtype.h"
#include "base/error.h"
#include "ops/jump_relu_grad.h"
#include "ops/sparse_rows.h"

namespace gemlens::coder {
namespace {

void checkShape(const char* name, const Tensor& tensor, std::vector<int64_t> expected) {
  if (tensor.sizes() == at::IntArrayRef(expected)) return;
  throw Error(
      code::kCheckpoint,
      concat("coder: expected ", formatShape(expected), " for ", name, ", got ",
             formatShape(tensor.sizes())),
      {{"tensor", std::string(name)}, {"expected", expected}, {"got", tensor.sizes().vec()}});
}

// The error in terms of the input's own axes: [batch, pos] as a row and its real token.
Error located(const ops::NotFiniteRow& e, const std::vector<int64_t>& shape, const Tensor& real,
              const std::string& what, const std::vector<int32_t>* ids) {
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
  const int64_t at = ids != nullptr && e.isFeature() ? (*ids)[static_cast<size_t>(e.at())] : e.at();
  fields.emplace_back(e.isFeature() ? "feature" : "dimension", static_cast<double>(at));
  const std::string fact = e.isFeature() ? concat("expected finite pre-activations, got ",
                                                  e.value(), " (not finite) for feature ", at)
                                         : concat("expected finite input, got ", e.value(),
                                                  " (not finite) for dimension ", at);
  const std::string cause =
      e.isFeature() ? " (an overflow, or a parameter of the coder that is not finite)" : "";
  return Error(code::kArgument, concat(what, ": ", fact, " in ", where, cause), std::move(fields));
}

}  // namespace

JumpReluCoder::JumpReluCoder(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, Tensor threshold,
                             Tensor skip, bool subtractsBDec)
    : wEnc_(std::move(wEnc)),
      wDec_(std::move(wDec)),
      bEnc_(std::move(bEnc)),
      bDec_(std::move(bDec)),
      threshold_(std::move(threshold)),
      skip_(std::move(skip)),
      subtractsBDec_(subtractsBDec) {
  if (wEnc_.dim() != 2 || wDec_.dim() != 2) {
    throw Error(code::kCheckpoint, "coder: expected two dimensions for W_enc and W_dec");
  }
  checkShape("W_dec", wDec_, {dSae(), dOut()});
  checkShape("b_enc", bEnc_, {dSae()});
  checkShape("b_dec", bDec_, {dOut()});
  checkShape("threshold", threshold_, {dSae()});
  if (skip_.defined()) checkShape("affine_skip_connection", skip_, {dIn(), dOut()});
  if (subtractsBDec_ && dIn() != dOut()) {
    throw Error(code::kCheckpoint, concat("coder: expected an output of ", dIn(),
                                          " to subtract b_dec from the input, got ", dOut()));
  }
}

int64_t JumpReluCoder::bytes() const {
  size_t total = 0;
  for (const Tensor& tensor : {wEnc_, wDec_, bEnc_, bDec_, threshold_, skip_}) {
    if (tensor.defined()) total += tensor.nbytes();
  }
  return static_cast<int64_t>(total);
}

Tensor JumpReluCoder::parameter(const std::string& name) const {
  if (name == "W_enc") return wEnc_;
  if (name == "W_dec") return wDec_;
  if (name == "b_enc") return bEnc_;
  if (name == "b_dec") return bDec_;
  if (name == "threshold") return threshold_;
  if (name == "skip" && skip_.defined()) return skip_;
  throw Error(
      code::kNotFound,
      "coder: expected W_enc, W_dec, b_enc, b_dec, threshold or (where there is one) skip, got " +
          name);
}

std::vector<int64_t> JumpReluCoder::leadingShape(const Tensor& x) const {
  const auto sizes = x.sizes();
  const size_t dim = sizes.size();
  if (x.device() != device()) {
    throw Error(code::kDevice, concat("coder: expected a tensor on ", deviceName(device()),
                                      ", got one on ", deviceName(x.device())));
  }
  if (dim >= 1 && sizes[dim - 1] == dIn()) return {sizes.begin(), sizes.end() - 1};
  if (dim >= 2 && sizes[dim - 1] * sizes[dim - 2] == dIn()) return {sizes.begin(), sizes.end() - 2};
  throw Error(code::kShape,
              concat("encode: expected [.., ", dIn(), "] for input, got ", formatShape(sizes)),
              {{"expected", Shape{dIn()}}, {"got", sizes.vec()}});
}

Tensor JumpReluCoder::asRows(const Tensor& x) const { return x.reshape({-1, dIn()}); }

Tensor JumpReluCoder::encoderInput(const Tensor& x) const {
  const Tensor rows = asRows(x);
  if (!subtractsBDec_) return rows;
  const auto type = wideType(rows.scalar_type());
  return rows.to(type).sub(bDec_.to(type));
}

ops::SparseRows JumpReluCoder::encodeRows(const Tensor& x, const FeatureColumns& columns,
                                          const Tensor& rowReal, const Reading& reading,
                                          const std::vector<int32_t>* ids) const {
  try {
    return ops::jumpReluEncode(encoderInput(x), columns.wEnc, columns.bEnc, columns.threshold,
                               rowReal);
  } catch (const ops::NotFiniteRow& e) {
    throw located(e, leadingShape(x), reading.real.defined() ? reading.real : rowReal, reading.what,
                  ids);
  }
}

Features JumpReluCoder::encode(const Tensor& x, const Tensor& rowReal,
                               const Reading& reading) const {
  std::vector<int64_t> shape = leadingShape(x);
  ops::SparseRows rows = encodeRows(x, {wEnc_, bEnc_, threshold_, {}}, rowReal, reading);
  return {std::move(shape), dSae(), std::move(rows)};
}

Features JumpReluCoder::encodeOnly(const Tensor& x, const std::vector<int32_t>& ids,
                                   const Tensor& rowReal) const {
  std::vector<int64_t> shape = leadingShape(x);
  ops::SparseRows rows = encodeRows(x, columns(ids), rowReal, {}, &ids);
  rows.indices = indexTensor(ids, device()).to(c10::kInt).index_select(0, rows.indices);
  return {std::move(shape), dSae(), std::move(rows)};
}

Tensor JumpReluCoder::decode(const Features& features, const Tensor& x) const {
  if (features.dSae != dSae()) {
    throw Error(code::kShape, concat("decode: expected features of a coder with ", dSae(), ", got ",
                                     features.dSae));
  }
  return finishDecode(ops::sparseDecode(features.rows, wDec_), features, x);
}

Tensor JumpReluCoder::finishDecode(const Tensor& sum, const Features& features,
                                   const Tensor& x) const {
  Tensor out = sum.add(bDec_.to(c10::kFloat));
  if (hasSkip()) {
    if (!x.defined()) {
      throw Error(code::kArgument, "decode: expected the input x too, for the skip connection x·A");
    }
    leadingShape(x);
    const Tensor rows = asRows(x);
    if (rows.size(0) != out.size(0)) {
      throw Error(code::kShape,
                  concat("decode: expected ", out.size(0), " rows for x, got ", rows.size(0)));
    }
    out = out.add(rows.to(skip_.scalar_type()).matmul(skip_));
  }
  std::vector<int64_t> shape = features.shape;
  shape.push_back(dOut());
  return out.view(shape);
}

Tensor JumpReluCoder::decodeTracked(const Tensor& values, const Features& features,
                                    const Tensor& x) const {
  return finishDecode(ops::decodeValues(values, features.rows, wDec_), features, x);
}

Tensor JumpReluCoder::track(const Features& features, const Tensor& x) const {
  return ops::activeValues(asRows(x), features.rows, wEnc_);
}

Features JumpReluCoder::dots(const Features& features, const Tensor& g) const {
  if (features.dSae != dSae() || g.numel() != features.rowCount() * dOut()) {
    throw Error(code::kShape, concat("dots: expected ", features.rowCount(), " rows of ", dOut(),
                                     " for the gradient, got ", formatShape(g.sizes())));
  }
  Features out = features;
  out.rows.values = ops::sparseDots(features.rows, wDec_, g.reshape({features.rowCount(), dOut()}));
  return out;
}

FeatureColumns JumpReluCoder::columns(const std::vector<int32_t>& ids) const {
  const Tensor index = indexTensor(ids, device());
  return {wEnc_.index_select(1, index), bEnc_.index_select(0, index),
          threshold_.index_select(0, index), wDec_.index_select(0, index)};
}

Tensor JumpReluCoder::preActivations(const Tensor& x, const FeatureColumns& columns) const {
  leadingShape(x);
  const Tensor rows = encoderInput(x);
  const auto type =
      rows.scalar_type() == c10::ScalarType::Double ? c10::ScalarType::Double : wEnc_.scalar_type();
  return addmm(columns.bEnc.to(type), rows.to(type), columns.wEnc.to(type)).to(wideType(type));
}

Tensor JumpReluCoder::forward(const Tensor& x) const {
  const Tensor out = decode(encode(x), hasSkip() ? x : Tensor()).to(x.scalar_type());
  return out.numel() == x.numel() ? out.view(x.sizes()) : out;
}

Tensor JumpReluCoder::applyEdit(const Tensor& base, const Features& before,
                                const Features& after) const {
  if (before.dSae != dSae()) {
    throw Error(code::kShape,
                concat("edit: expected features of a coder with ", dSae(), ", got ", before.dSae));
  }
  const ops::SparseRows change = difference(before, after);
  const int64_t rows = change.indptr.size(0) - 1;
  if (base.numel() != rows * dOut()) {
    throw Error(
        code::kShape,
        concat("edit: expected ", rows, " rows of ", dOut(), ", got ", formatShape(base.sizes())),
        {{"got", base.sizes().vec()}});
  }
  return base.reshape({rows, dOut()})
      .to(c10::kFloat)
      .add(ops::sparseDecode(change, wDec_))
      .to(base.scalar_type())
      .view(base.sizes());
}

}  // namespace gemlens::coder
