// Encodes a coder's inputs during a run. It takes the inputs site by site, as they fire, and has
// all features after the last one.
#pragma once

#include <memory>
#include <vector>

#include "coder/coder.h"

namespace gemlens::coder {

class Encoding {
 public:
  // `realRows` [rows] bool or undefined: rows that are false get no features.
  Encoding(std::shared_ptr<const Coder> coder, Tensor realRows);

  // Adds the input of one read site. Sites may come in any order.
  void add(size_t read, const Tensor& x, const ErrorContext& context);
  const Tensor& realRows() const { return realRows_; }
  bool has(size_t read) const { return parts_[read].indptr.defined(); }
  bool complete() const { return added_ == parts_.size(); }
  // The active features of the sites added so far.
  const Parts& parts() const { return parts_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  // All features. Requires `complete()`.
  Features features() const { return {shape_, coder_->dSae(), coder_->merge(parts_)}; }
  // Prepares for the next pass.
  void clear();

 private:
  std::shared_ptr<const Coder> coder_;
  Tensor realRows_;
  Parts parts_;
  std::vector<int64_t> shape_;
  size_t added_ = 0;
};

}  // namespace gemlens::coder
