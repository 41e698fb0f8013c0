// The encoder of one read site: f = pre where pre > max(threshold, 0), else 0, with
// pre = x·W_enc + b_enc. Parameters keep the published orientation: W_enc [width, features], b_enc
// and threshold [features]. A plain ReLU has thresholds of 0. With a `shift`, x stands for
// x − shift (SAELens' apply_b_dec_to_input): it is never folded into b_enc, whose sum would round
// otherwise than the published one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/aten.h"
#include "ops/jump_relu.h"

namespace gemlens::coder {

// The parameters of k features: W_enc [width, k], b_enc and threshold [k].
struct EncoderColumns {
  ops::Matrix wEnc;
  Tensor bEnc, threshold;
};

// For the message if a row is not finite.
struct Reading {
  std::string what = "encode";
  Tensor real;  // [rows] bool, real tokens, if the rows that are read are fewer
};

class Encoder {
 public:
  // `threshold` undefined: 0; `shift` undefined: none. `first`: the flat id of its first feature.
  // Throws CHECKPOINT unless the shapes agree.
  Encoder(Tensor wEnc, Tensor bEnc, Tensor threshold, Tensor shift, int64_t first);

  int64_t width() const { return wEnc_.rowCount(); }
  int64_t features() const { return wEnc_.columnCount(); }
  int64_t first() const { return first_; }
  c10::Device device() const { return wEnc_.device(); }
  int64_t bytes() const;
  // W_enc, b_enc or threshold; undefined for another name.
  Tensor parameter(const std::string& name) const;

  // The leading dimensions of x [.., width] or [.., heads, d_head] with heads · d_head = width.
  // Throws SHAPE, DEVICE.
  std::vector<int64_t> leadingShape(const Tensor& x) const;
  Tensor asRows(const Tensor& x) const { return x.reshape({-1, width()}); }

  // Ids count from 0 in this encoder, in all that follows. `rowReal` [rows] bool or undefined.
  // Throws ARGUMENT for a row that is not finite.
  ops::SparseRows encode(const Tensor& x, const Tensor& rowReal, const Reading& reading) const;
  // Only these features (ascending); the others are not computed.
  ops::SparseRows encodeOnly(const Tensor& x, const std::vector<int32_t>& ids,
                             const Tensor& rowReal) const;
  // The values of `active` as a function of x, of which they were encoded.
  Tensor track(const ops::SparseRows& active, const Tensor& x) const;
  EncoderColumns columns(const std::vector<int32_t>& ids) const;
  // [rows, k] float32 (float64 of float64).
  Tensor preActivations(const Tensor& x, const EncoderColumns& columns) const;

 private:
  // Rows as W_enc multiplies them.
  Tensor input(const Tensor& x) const;
  // `ids`: the features of the columns, if not all.
  ops::SparseRows encodeRows(const Tensor& x, const EncoderColumns& columns, const Tensor& rowReal,
                             const Reading& reading, const std::vector<int32_t>* ids) const;

  ops::Matrix wEnc_;
  Tensor bEnc_, threshold_, shift_;
  int64_t first_;
};

// Throws CHECKPOINT unless `tensor` has this shape.
void checkShape(const char* name, const Tensor& tensor, std::vector<int64_t> expected);

}  // namespace gemlens::coder
