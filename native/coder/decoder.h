// The decoder of one write site: Σ f·W_dec over the encoders that write there, + b_dec (+ x·A, the
// affine skip connection, for x at one read site). b_dec [width], A [width read, width].
#pragma once

#include <string>
#include <vector>

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::coder {

// The decoder rows of one encoder at one write site: feature f has row `f · stride + offset` of
// `table`. Published cross-layer files hold [features, sites, width], which is one table for all
// sites.
struct DecoderRows {
  ops::Matrix table;  // [features · stride, width]; undefined: the encoder writes nothing here
  int64_t stride = 1, offset = 0;
  bool edits = true;  // edits of its features are added here

  bool defined() const { return table.defined(); }
  // W_dec [features, width], a view.
  Tensor dense() const;
  // The rows of these features, [k, width].
  Tensor rows(const std::vector<int32_t>& ids) const;
  // `active` with its ids replaced by rows of `table`.
  ops::SparseRows withTableRows(const ops::SparseRows& active) const;
};

class Decoder {
 public:
  // `rows` has one entry for each encoder. `skip` may be undefined; its input is read site
  // `skipRead`.
  Decoder(std::vector<DecoderRows> rows, Tensor bDec, Tensor skip, size_t skipRead);

  int64_t width() const { return bDec_.size(0); }
  const DecoderRows& rows(size_t encoder) const { return rows_[encoder]; }
  bool hasSkip() const { return skip_.defined(); }
  size_t skipRead() const { return skipRead_; }
  Tensor parameter(const std::string& name, size_t encoder) const;
  // Counts this site's share of a table that several sites use.
  int64_t bytes() const;

  // Decodes the active features of each encoder to [rows, width] float32. If there is a skip
  // connection, x must be the input at `skipRead`.
  Tensor decode(const std::vector<ops::SparseRows>& active, const Tensor& x) const;
  // The same with differentiable `values` at the active entries.
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
