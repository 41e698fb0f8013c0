// The decoder of one write site: Σ f·W_dec over the encoders that write there, + b_dec (+ x·A, the
// affine skip connection, for x at one read site). b_dec [width], A [width read, width].
#pragma once

#include <string>
#include <vector>

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::coder {

// What the features of one encoder write at one site: row `feature · stride + offset` of `table`.
// Published cross-layer files hold [features, sites, width], which is one table for all its sites.
struct DecoderRows {
  ops::Matrix table;  // [features · stride, width]; undefined: the encoder writes nothing here
  int64_t stride = 1, offset = 0;
  bool edits = true;  // changes of its features are added here

  bool defined() const { return table.defined(); }
  // W_dec [features, width], a view.
  Tensor dense() const;
  // These features' rows, [k, width].
  Tensor rows(const std::vector<int32_t>& ids) const;
  // `active` with the rows of `table` for its ids.
  ops::SparseRows in(const ops::SparseRows& active) const;
};

class Decoder {
 public:
  // `rows`: one for each encoder. `skip` may be undefined; it reads `skipRead`.
  Decoder(std::vector<DecoderRows> rows, Tensor bDec, Tensor skip, size_t skipRead);

  int64_t width() const { return bDec_.size(0); }
  const DecoderRows& rows(size_t encoder) const { return rows_[encoder]; }
  bool hasSkip() const { return skip_.defined(); }
  size_t skipRead() const { return skipRead_; }
  Tensor parameter(const std::string& name, size_t encoder) const;
  // Without tables that several sites share.
  int64_t bytes() const;

  // [rows, width] float32 of the active features of each encoder that writes here; x, the input at
  // `skipRead`, is needed when there is a skip connection.
  Tensor decode(const std::vector<ops::SparseRows>& active, const Tensor& x) const;
  // The same of values that a gradient goes to, at the features' entries.
  Tensor decodeTracked(const std::vector<Tensor>& values,
                       const std::vector<ops::SparseRows>& active, const Tensor& x) const;

 private:
  Tensor finish(const Tensor& sum, const Tensor& x) const;

  std::vector<DecoderRows> rows_;
  Tensor bDec_;
  ops::Matrix skip_;
  size_t skipRead_;
};

}  // namespace gemlens::coder
