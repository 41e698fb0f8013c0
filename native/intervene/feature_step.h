// Changes of a coder's features with the coder's error kept: base + (f′ − f)·W_dec, where f is read
// once and f′ is f with the changes made in order. Only the columns of the changed features are
// computed. (Cunningham et al. 2023, arXiv 2309.08600; Marks et al. 2024, arXiv 2403.19647.)
#pragma once

#include <memory>
#include <vector>

#include "coder/jump_relu_coder.h"
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
  // `rowCount`: batch · positions.
  FeatureStep(std::shared_ptr<const coder::JumpReluCoder> coder, std::vector<FeatureChange> changes,
              int64_t rowCount);

  // A run begins: nothing of an earlier one that failed may be left.
  void begin() { delta_ = Tensor(); }
  // x, what the coder reads: keeps f′ − f until `apply`.
  void read(const Tensor& x);
  // base, what the coder writes to; `inPlace`: it may be written to.
  Tensor apply(const Tensor& base, bool inPlace = writesInPlace());
  // All of a coder's features with the changes made, in these rows ([rows] bool; undefined: all).
  coder::Features changed(const coder::Features& features, const Tensor& active) const;

 private:
  // f′ = f·factor + offset, each [1 or rows, k]: the changes in order.
  struct Affine {
    Tensor factor, offset;
  };
  Affine affine(c10::Device device) const;

  std::shared_ptr<const coder::JumpReluCoder> coder_;
  std::vector<FeatureChange> changes_;
  int64_t rowCount_;
  std::vector<int32_t> ids_;   // distinct, ascending
  bool allRows_ = false;       // some change is of all rows
  std::vector<int32_t> rows_;  // else: those of any change
  Tensor rowIndex_;
  coder::FeatureColumns columns_;
  Tensor delta_;
};

}  // namespace gemlens::intervene
