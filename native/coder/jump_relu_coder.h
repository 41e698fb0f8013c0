// A trained JumpReLU coder: sparse autoencoder (output = input's site) or transcoder (another site,
// and perhaps a skip connection). Parameters keep the published orientation: W_enc [d_in, d_sae],
// W_dec [d_sae, d_out], b_enc and threshold [d_sae], b_dec [d_out], skip A [d_in, d_out] applied as
// x·A. Where `subtractsBDec`, x stands for x − b_dec in the encoder (SAELens'
// apply_b_dec_to_input): never folded into b_enc, whose sum would round otherwise than the
// published one.
#pragma once

#include <optional>
#include <string>

#include "base/aten.h"
#include "coder/features.h"

namespace gemlens::coder {

// What k features need: W_enc [d_in, k], b_enc and threshold [k], W_dec [k, d_out].
struct FeatureColumns {
  Tensor wEnc, bEnc, threshold, wDec;
};

// For the message if a row is not finite.
struct Reading {
  std::string what = "encode";
  Tensor real;  // [rows] bool, real tokens, if the rows that are read are fewer
};

class JumpReluCoder {
 public:
  // Throws CHECKPOINT unless the shapes agree.
  JumpReluCoder(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, Tensor threshold, Tensor skip,
                bool subtractsBDec);

  int64_t dIn() const { return wEnc_.size(0); }
  int64_t dSae() const { return wEnc_.size(1); }
  int64_t dOut() const { return wDec_.size(1); }
  bool hasSkip() const { return skip_.defined(); }
  c10::Device device() const { return wEnc_.device(); }
  int64_t bytes() const;
  // W_enc, W_dec, b_enc, b_dec, threshold, skip. Throws NOT_FOUND.
  Tensor parameter(const std::string& name) const;

  // x [.., d_in] or [.., heads, d_head] with heads · d_head = d_in. `rowReal` [rows] bool or
  // undefined. Throws ARGUMENT for a row that is not finite.
  Features encode(const Tensor& x, const Tensor& rowReal = {}, const Reading& reading = {}) const;
  // Only these features (ascending); the others are not computed.
  Features encodeOnly(const Tensor& x, const std::vector<int32_t>& ids,
                      const Tensor& rowReal = {}) const;
  // f·W_dec + b_dec (+ x·A): [shape.., d_out] float32. x is needed when there is a skip connection.
  Tensor decode(const Features& features, const Tensor& x) const;
  // The same of values that a gradient goes to, at the features' entries.
  Tensor decodeTracked(const Tensor& values, const Features& features, const Tensor& x) const;
  // The features' values as a function of x, of which they were encoded.
  Tensor track(const Features& features, const Tensor& x) const;
  // ⟨g[row], W_dec[feature]⟩ at each entry; g has rows of d_out.
  Features dots(const Features& features, const Tensor& g) const;
  FeatureColumns columns(const std::vector<int32_t>& ids) const;
  // x·W_enc + b_enc (of x − b_dec where it is subtracted) of these features: [rows, k] float32
  // (float64 of float64).
  Tensor preActivations(const Tensor& x, const FeatureColumns& columns) const;
  // decode(encode(x)) in x's type; an SAE's output has x's very shape.
  Tensor forward(const Tensor& x) const;
  // base + (after − before)·W_dec in base's type and shape.
  Tensor applyEdit(const Tensor& base, const Features& before, const Features& after) const;

 private:
  // The leading dimensions of x, and x as [rows, d_in].
  std::vector<int64_t> leadingShape(const Tensor& x) const;
  Tensor asRows(const Tensor& x) const;
  // Rows as W_enc multiplies them.
  Tensor encoderInput(const Tensor& x) const;
  // `ids`: the features that the columns are of, if not all.
  ops::SparseRows encodeRows(const Tensor& x, const FeatureColumns& columns, const Tensor& rowReal,
                             const Reading& reading,
                             const std::vector<int32_t>* ids = nullptr) const;
  // The sum with b_dec and x·A.
  Tensor finishDecode(const Tensor& sum, const Features& features, const Tensor& x) const;

  Tensor wEnc_, wDec_, bEnc_, bDec_, threshold_, skip_;
  bool subtractsBDec_;
};

}  // namespace gemlens::coder
