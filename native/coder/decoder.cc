#include "coder/decoder.h"

#include <utility>

#include "base/error.h"
#include "coder/encoder.h"
#include "ops/jump_relu_grad.h"
#include "ops/sparse_rows.h"

namespace gemlens::coder {

Decoder::Decoder(std::vector<DecoderRows> rows, Tensor bDec, Tensor skip, size_t skipRead)
    : rows_(std::move(rows)), bDec_(std::move(bDec)), skip_(std::move(skip)), skipRead_(skipRead) {
  if (bDec_.dim() != 1) throw Error(code::kCheckpoint, "coder: expected one dimension for b_dec");
}

Tensor Decoder::parameter(const std::string& name, size_t encoder) const {
  if (name == "W_dec" && rows_[encoder].defined()) return rows_[encoder].dense();
  if (name == "b_dec") return bDec_;
  if (name == "skip") return skip_.dense();
  return {};
}

int64_t Decoder::bytes() const {
  int64_t total = static_cast<int64_t>(bDec_.nbytes()) + skip_.bytes();
  for (const DecoderRows& rows : rows_) {
    if (rows.defined()) total += rows.table->bytes() / rows.table->stride();
  }
  return total;
}

Tensor Decoder::decode(const std::vector<ops::SparseRows>& active, const Tensor& x) const {
  Tensor sum;
  for (size_t e = 0; e < rows_.size(); ++e) {
    if (!rows_[e].defined()) continue;
    const auto [entries, table] = rows_[e].entries(active[e]);
    const Tensor part = ops::sparseDecode(entries, table);
    sum = sum.defined() ? sum.add(part) : part;
  }
  return finish(sum, x);
}

Tensor Decoder::decodeTracked(const std::vector<Tensor>& values,
                              const std::vector<ops::SparseRows>& active, const Tensor& x) const {
  Tensor sum;
  for (size_t e = 0; e < rows_.size(); ++e) {
    if (!rows_[e].defined()) continue;
    const auto [entries, table] = rows_[e].entries(active[e]);
    const Tensor part = ops::decodeValues(values[e], entries, table);
    sum = sum.defined() ? sum.add(part) : part;
  }
  return finish(sum, x);
}

Tensor Decoder::finish(const Tensor& sum, const Tensor& x) const {
  Tensor out = sum.add(bDec_.to(c10::kFloat));
  if (!hasSkip()) return out;
  if (!x.defined()) {
    throw Error(code::kArgument, "decode: expected the input x too, for the skip connection x·A");
  }
  const Tensor rows = x.reshape({-1, skip_.rowCount()});
  if (rows.size(0) != out.size(0)) {
    throw Error(code::kShape,
                concat("decode: expected ", out.size(0), " rows for x, got ", rows.size(0)));
  }
  return out.add(skip_.applyTransposed(rows.to(skip_.dtype())));
}

}  // namespace gemlens::coder
