// The encoder of one read site: f = pre if pre > max(threshold, 0), else 0, with pre = x·W_enc +
// b_enc. Parameters keep the published orientation: W_enc [width, features], b_enc and threshold
// [features]. A plain ReLU has thresholds of 0. If there is a `shift`, x means x − shift (SAELens'
// apply_b_dec_to_input). It is not folded into b_enc, because that sum would round differently from
// the published one.
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

// Describes the input in the error for a row that is not finite.
struct ErrorContext {
  std::string caller = "encode";
  Tensor real;  // [rows] bool: the real tokens, if fewer rows than those are encoded
};

class Encoder {
 public:
  // An undefined `threshold` means 0, an undefined `shift` none. `first` is the flat id of the
  // first feature. Throws CHECKPOINT unless the shapes agree.
  Encoder(Tensor wEnc, Tensor bEnc, Tensor threshold, Tensor shift, int64_t first);

  int64_t width() const { return wEnc_.rowCount(); }
  int64_t features() const { return wEnc_.columnCount(); }
  int64_t first() const { return first_; }
  c10::Device device() const { return wEnc_.device(); }
  int64_t bytes() const;
  // W_enc, b_enc or threshold; undefined for another name.
  Tensor parameter(const std::string& name) const;

  // The leading dimensions of x [.., width] or [.., heads, d_head] with heads · d_head = width.
  // Throws SHAPE or DEVICE.
  std::vector<int64_t> leadingShape(const Tensor& x) const;
  Tensor asRows(const Tensor& x) const { return x.reshape({-1, width()}); }

  // From here on, ids count from 0 in this encoder. `realRows` [rows] bool or undefined. Throws
  // ARGUMENT if a row is not finite.
  ops::SparseRows encode(const Tensor& x, const Tensor& realRows,
                         const ErrorContext& context) const;
  // Computes only these features (ascending ids).
  ops::SparseRows encodeOnly(const Tensor& x, const std::vector<int32_t>& ids,
                             const Tensor& realRows) const;
  // The values of `active`, which was encoded from x, as a differentiable function of x.
  Tensor track(const ops::SparseRows& active, const Tensor& x) const;
  EncoderColumns columns(const std::vector<int32_t>& ids) const;
  // [rows, k] float32 (float64 for float64).
  Tensor preActivations(const Tensor& x, const EncoderColumns& columns) const;

 private:
  // The rows that W_enc multiplies: x less the shift.
  Tensor input(const Tensor& x) const;
  // `ids` are the features of `columns`; null means all.
  ops::SparseRows encodeRows(const Tensor& x, const EncoderColumns& columns, const Tensor& realRows,
                             const ErrorContext& context, const std::vector<int32_t>* ids) const;

  ops::Matrix wEnc_;
  Tensor bEnc_, threshold_, shift_;
  int64_t first_;
};

// Throws CHECKPOINT unless `tensor` has this shape.
void checkShape(const char* name, const Tensor& tensor, std::vector<int64_t> expected);

}  // namespace gemlens::coder
