// The splice of a run without gradients.
#pragma once

#include "intervene/splice.h"

namespace gemlens::intervene {

class PlainSplice final : public Splice {
 public:
  using Splice::Splice;

 protected:
  void encode(size_t read, const Tensor& x) override;
  Tensor rebuild(size_t write, const Tensor& base) override;
};

}  // namespace gemlens::intervene
