// Loads a coder with any number of sites, in the published layouts.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "checkpoint/weight_source.h"
#include "coder/coder.h"

namespace gemlens::coder {

// The parameters of one read site.
struct EncoderSources {
  checkpoint::WeightSource wEnc, bEnc;
  bool wEncByFeature = false;                         // W_enc is [features, width]
  std::optional<checkpoint::WeightSource> threshold;  // nullopt: 0
  // [features, width], or [features, n, width] for n write sites.
  checkpoint::WeightSource wDec;
  // The write site of each of the n; -1 to skip those rows, which must be zero.
  std::vector<int32_t> writesAt;
  // The write sites where edits of its features are added; nullopt means all of `writesAt`.
  std::optional<std::vector<int32_t>> editsAt;
};

// The parameters of one write site.
struct DecoderSources {
  checkpoint::WeightSource bDec;
  std::optional<checkpoint::WeightSource> skip;
  size_t skipRead = 0;
};

struct CoderSources {
  std::vector<Site> reads, writes;
  std::vector<EncoderSources> encoders;
  std::vector<DecoderSources> decoders;
  double encoderScale = 1, decoderScale = 1;
  // The encoder of read site i subtracts the b_dec of write site i from x.
  bool subtractsBDec = false;
  bool transposeSkip = false;
  // If the decoder tables together take more bytes than this, they stay in their files, and a call
  // reads, checks and converts only the rows that it needs.
  int64_t maxDecoderBytes = std::numeric_limits<int64_t>::max();
  std::string dtype = "auto";
  c10::Device device = c10::kCPU;
};

// Throws CHECKPOINT, naming file and tensor, also if a parameter is not finite or skipped rows are
// not zero. Throws ABORTED if `token` is cancelled.
std::shared_ptr<const Coder> loadCoder(const CoderSources& sources, const CancelToken& token);

}  // namespace gemlens::coder
