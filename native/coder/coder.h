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
  int point = 0;      // id in hooks/hook_points.h
  int64_t width = 0;  // elements per position, heads flattened
};

// The active features of each encoder.
using Parts = std::vector<ops::SparseRows>;

// The write sites that a change of features affects: those where edits are added, or all.
enum class WriteSites { Edited, All };

class Coder {
 public:
  // Throws CHECKPOINT unless the shapes agree.
  Coder(std::vector<Site> reads, std::vector<Site> writes, std::vector<Encoder> encoders,
        std::vector<Decoder> decoders);

  const std::vector<Site>& reads() const { return reads_; }
  const std::vector<Site>& writes() const { return writes_; }
  const Encoder& encoder(size_t read) const { return encoders_[read]; }
  const Decoder& decoder(size_t write) const { return decoders_[write]; }
  // The number of features of all encoders.
  int64_t dSae() const { return dSae_; }
  // The index of the encoder that has the feature.
  size_t encoderOf(int32_t feature) const;
  c10::Device device() const { return encoders_[0].device(); }
  int64_t bytes() const;
  // W_enc, b_enc or threshold of encoder `read`, b_dec or skip of decoder `write`, or W_dec of
  // both. Throws NOT_FOUND if there is no such parameter, ARGUMENT if a site is out of range.
  Tensor parameter(const std::string& name, size_t read, size_t write) const;
  // What a feature writes at a site [width]. Throws NOT_FOUND if that is nothing.
  Tensor decoderRow(int32_t feature, size_t write) const;

  // `xs` has one tensor for each read site, all with the same positions. Throws ARGUMENT if a row
  // is not finite.
  Features encode(const std::vector<Tensor>& xs, const Tensor& realRows = {}) const;
  // Computes only these features (ascending ids).
  Features encodeOnly(const std::vector<Tensor>& xs, const std::vector<int32_t>& ids,
                      const Tensor& realRows = {}) const;
  // Returns [shape.., width] float32 for each write site. `xs` may be empty if there is no skip
  // connection.
  std::vector<Tensor> decode(const Features& features, const std::vector<Tensor>& xs) const;
  // decode(encode(xs)) in the type of xs[0]; an SAE's output also has x's shape.
  std::vector<Tensor> forward(const std::vector<Tensor>& xs) const;
  // bases[w] + (after − before)·W_dec at the write sites of edits, in the base's type and shape.
  std::vector<Tensor> applyEdit(const std::vector<Tensor>& bases, const Features& before,
                                const Features& after) const;

  // ⟨gs[w][row], W_dec[feature]⟩ at each entry, summed over `sites`: the write sites of edits, or
  // all of them. gs[w] has rows of the site's width.
  Features dots(const Features& features, const std::vector<Tensor>& gs, WriteSites sites) const;

  // Splits entries with flat ids by encoder, and merges them again.
  Parts split(const ops::SparseRows& flat) const;
  ops::SparseRows merge(const Parts& parts) const;

 private:
  void checkDevice(const char* caller, const char* subject, c10::Device got) const;
  void checkFeatures(const char* caller, const Features& features) const;
  const Tensor& skipInput(size_t write, const std::vector<Tensor>& xs) const;

  std::vector<Site> reads_, writes_;
  std::vector<Encoder> encoders_;
  std::vector<Decoder> decoders_;
  int64_t dSae_ = 0;
};

}  // namespace gemlens::coder
