// A trained coder: one encoder for each site that it reads, one decoder for each site that it
// writes. Feature ids are flat: those of encoder e begin at encoder(e).first(). A sparse
// autoencoder reads and writes one site; a transcoder reads one and writes another; cross-layer
// transcoders and crosscoders have several of both.
#pragma once

#include <string>
#include <vector>

#include "base/aten.h"
#include "coder/decoder.h"
#include "coder/encoder.h"
#include "coder/features.h"

namespace gemlens::coder {

struct Site {
  int point = 0;      // of hooks/hook_points.h
  int64_t width = 0;  // numbers for each position, heads flattened
};

// One entry for each encoder.
using Parts = std::vector<ops::SparseRows>;

class Coder {
 public:
  // Throws CHECKPOINT unless the shapes agree.
  Coder(std::vector<Site> reads, std::vector<Site> writes, std::vector<Encoder> encoders,
        std::vector<Decoder> decoders);

  const std::vector<Site>& reads() const { return reads_; }
  const std::vector<Site>& writes() const { return writes_; }
  const Encoder& encoder(size_t read) const { return encoders_[read]; }
  const Decoder& decoder(size_t write) const { return decoders_[write]; }
  // In all.
  int64_t dSae() const { return dSae_; }
  // The encoder that has a feature.
  size_t encoderOf(int32_t feature) const;
  c10::Device device() const { return encoders_[0].device(); }
  int64_t bytes() const;
  // W_enc, b_enc, threshold (of the encoder `read`), b_dec, skip (of the decoder `write`), W_dec
  // (of both). Throws NOT_FOUND.
  Tensor parameter(const std::string& name, size_t read, size_t write) const;

  // `xs`: one tensor for each read site, of the same positions. Throws ARGUMENT for a row that is
  // not finite.
  Features encode(const std::vector<Tensor>& xs, const Tensor& rowReal = {}) const;
  // Only these features (ascending); the others are not computed.
  Features encodeOnly(const std::vector<Tensor>& xs, const std::vector<int32_t>& ids,
                      const Tensor& rowReal = {}) const;
  // For each write site [shape.., width] float32. `xs` may be empty without a skip connection.
  std::vector<Tensor> decode(const Features& features, const std::vector<Tensor>& xs) const;
  // decode(encode(xs)) in the type of xs[0]; an SAE's output has x's very shape.
  std::vector<Tensor> forward(const std::vector<Tensor>& xs) const;
  // bases[w] + (after − before)·W_dec where edits are written, in its type and shape.
  std::vector<Tensor> applyEdit(const std::vector<Tensor>& bases, const Features& before,
                                const Features& after) const;

  // ⟨gs[w][row], W_dec[feature]⟩ at each entry, summed over the write sites (those where edits are
  // written, or all); gs[w] has rows of its width.
  enum class At { Edits, All };
  Features dots(const Features& features, const std::vector<Tensor>& gs, At at) const;

  // `active` of each encoder from the flat ids, and back.
  Parts split(const ops::SparseRows& flat) const;
  ops::SparseRows merge(const Parts& parts) const;

 private:
  void checkDevice(const char* what, const char* subject, c10::Device got) const;
  void checkFeatures(const char* what, const Features& features) const;
  const Tensor& skipInput(size_t write, const std::vector<Tensor>& xs) const;

  std::vector<Site> reads_, writes_;
  std::vector<Encoder> encoders_;
  std::vector<Decoder> decoders_;
  int64_t dSae_ = 0;
};

}  // namespace gemlens::coder
