// Changes a coder's features and keeps the coder's error: base + (f′ − f)·W_dec. f is computed
// once, and f′ is f with the changes applied in order. Only the columns of the changed features are
// computed. (Cunningham et al. 2023, arXiv 2309.08600; Marks et al. 2024, arXiv 2403.19647.)
#pragma once

#include <memory>
#include <vector>

#include "coder/coder.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

struct FeatureChange {
  enum class Op { Set, Scale };
  Op op = Op::Set;
  int32_t feature = 0;
  float value = 0;
  bool allRows = true;
  std::vector<int32_t> rows;  // ascending

  bool operator==(const FeatureChange&) const = default;
};

class FeatureStep {
 public:
  // `rowCount` is batch · positions. `sites` are the write sites of the changes: those of edits, or
  // all of them in a splice without its error term.
  FeatureStep(std::shared_ptr<const coder::Coder> coder, std::vector<FeatureChange> changes,
              int64_t rowCount, coder::WriteSites sites = coder::WriteSites::Edited);

  // Starts a run and clears what an earlier, failed run may have left.
  void begin();
  // True if changed features are read at, or written to, the site.
  bool reads(size_t read) const;
  bool writes(size_t write) const;
  // Takes x at a read site and keeps f′ − f until it has been written.
  void observe(size_t read, const Tensor& x);
  // Returns the base at a write site with the changes added. If `inPlace`, base itself may be
  // modified.
  Tensor write(size_t write, const Tensor& base, bool inPlace = writesInPlace());
  // All features of the coder, with the changes applied in the active rows. `active` [rows] bool;
  // undefined: all.
  coder::Features changed(const coder::Features& features, const Tensor& active) const;

 private:
  // The changes in order: f′ = f·factor + offset, each [1 or rows, k].
  struct Affine {
    Tensor factor, offset;
  };
  // The changed features of one encoder.
  struct Part {
    size_t encoder = 0;
    std::vector<int32_t> flat, ids;  // flat ids, and ids in the encoder; ascending
    coder::EncoderColumns columns;
    Affine lines;
    std::vector<Tensor> decoder;  // for each write site [k, width]; undefined: none
    Tensor delta;
    int unwritten = 0;  // write sites that delta has not been written to yet
  };
  Affine affine(const std::vector<int32_t>& flat, c10::Device device) const;
  bool touchesRows() const { return allRows_ || !rows_.empty(); }

  std::shared_ptr<const coder::Coder> coder_;
  std::vector<FeatureChange> changes_;
  int64_t rowCount_;
  std::vector<Part> parts_;
  bool allRows_ = false;       // a change applies to all rows
  std::vector<int32_t> rows_;  // otherwise: the rows of any change
  Tensor rowIndex_;
};

}  // namespace gemlens::intervene
