// The decoder of one write site: Σ f·W_dec over the encoders that write there, + b_dec (+ x·A, the
// affine skip connection, for x at one read site). b_dec [width], A [width read, width].
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/aten.h"
#include "coder/decoder_table.h"
#include "ops/jump_relu.h"

namespace gemlens::coder {

// The decoder rows of one encoder at one write site. Published cross-layer files hold
// [features, sites, width], which is one table for all sites.
struct DecoderRows {
  std::shared_ptr<const DecoderTable> table;  // null: the encoder writes nothing here
  int64_t offset = 0;                         // the site in the table
  bool edits = true;                          // edits of its features are added here

  bool defined() const { return table != nullptr; }
  // W_dec [features, width], a view.
  Tensor dense() const { return table->dense(offset); }
  // The rows of these features, [k, width].
  Tensor rows(const std::vector<int32_t>& ids) const {
    return table->rows(indexTensor(ids), offset);
  }
  TableEntries entries(const ops::SparseRows& active) const {
    return table->entries(active, offset);
  }
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
  // Counts this site's share of a table that several sites use, and nothing of one that stays in
  // its file.
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
