// Changes of a coder's features with the coder's error kept: base + (f′ − f)·W_dec, where f is read
// once and f′ is f with the changes made in order. Only the columns of the changed features are
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
  // `rowCount`: batch · positions. `at`: where the changes are written: where edits of the coder
  // are, or, in a splice without its error term, wherever its features are decoded.
  FeatureStep(std::shared_ptr<const coder::Coder> coder, std::vector<FeatureChange> changes,
              int64_t rowCount, coder::Coder::At at = coder::Coder::At::Edits);

  // A run begins: nothing of an earlier one that failed may be left.
  void begin();
  // The sites that the changed features are read from and written to.
  bool reads(size_t read) const;
  bool writes(size_t write) const;
  // x at a read site: keeps f′ − f until it has been written.
  void read(size_t read, const Tensor& x);
  // base, which the coder writes to; `inPlace`: it may be written to.
  Tensor write(size_t write, const Tensor& base, bool inPlace = writesInPlace());
  // All of a coder's features with the changes made, in these rows ([rows] bool; undefined: all).
  coder::Features changed(const coder::Features& features, const Tensor& active) const;

 private:
  // f′ = f·factor + offset, each [1 or rows, k]: the changes in order.
  struct Affine {
    Tensor factor, offset;
  };
  // The changed features of one encoder.
  struct Part {
    size_t encoder = 0;
    std::vector<int32_t> flat, ids;  // flat ids, and counted in the encoder; ascending
    coder::EncoderColumns columns;
    Affine lines;
    std::vector<Tensor> decoder;  // for each write site [k, width]; undefined: none
    Tensor delta;
    int unwritten = 0;  // write sites that have yet to take delta
  };
  Affine affine(const std::vector<int32_t>& flat, c10::Device device) const;
  bool touchesRows() const { return allRows_ || !rows_.empty(); }

  std::shared_ptr<const coder::Coder> coder_;
  std::vector<FeatureChange> changes_;
  int64_t rowCount_;
  std::vector<Part> parts_;
  bool allRows_ = false;       // some change is of all rows
  std::vector<int32_t> rows_;  // else: those of any change
  Tensor rowIndex_;
};

}  // namespace gemlens::intervene
