#include "coder/encoding.h"

#include <utility>

namespace gemlens::coder {

Encoding::Encoding(std::shared_ptr<const Coder> coder, Tensor realRows)
    : coder_(std::move(coder)), realRows_(std::move(realRows)), parts_(coder_->reads().size()) {}

void Encoding::add(size_t read, const Tensor& x, const ErrorContext& context) {
  const Encoder& encoder = coder_->encoder(read);
  if (!has(read)) ++added_;
  parts_[read] = encoder.encode(x, realRows_, context);
  if (read == 0) shape_ = encoder.leadingShape(x);
}

void Encoding::clear() {
  parts_.assign(parts_.size(), {});
  added_ = 0;
}

}  // namespace gemlens::coder
