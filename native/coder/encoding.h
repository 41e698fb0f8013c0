// An encoding in a run: it takes the coder's inputs site by site, as they fire, and has all
// features when each site has been read.
#pragma once

#include <memory>
#include <vector>

#include "coder/coder.h"

namespace gemlens::coder {

class Encoding {
 public:
  // `rowReal` [rows] bool or undefined: rows that are false get no features.
  Encoding(std::shared_ptr<const Coder> coder, Tensor rowReal);

  // The input of one read site, in whatever order they come.
  void add(size_t read, const Tensor& x, const Reading& reading);
  const Tensor& rowReal() const { return rowReal_; }
  bool has(size_t read) const { return parts_[read].indptr.defined(); }
  bool complete() const { return added_ == parts_.size(); }
  // What the encoders that were added fire.
  const Parts& parts() const { return parts_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  // All features; needs all sites.
  Features features() const { return {shape_, coder_->dSae(), coder_->merge(parts_)}; }
  // Ready for the next pass.
  void clear();

 private:
  std::shared_ptr<const Coder> coder_;
  Tensor rowReal_;
  Parts parts_;
  std::vector<int64_t> shape_;
  size_t added_ = 0;
};

}  // namespace gemlens::coder
