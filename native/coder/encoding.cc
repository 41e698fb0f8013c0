#include "coder/encoding.h"

#include <utility>

namespace gemlens::coder {

Encoding::Encoding(std::shared_ptr<const Coder> coder, Tensor rowReal)
    : coder_(std::move(coder)), rowReal_(std::move(rowReal)), parts_(coder_->reads().size()) {}

void Encoding::add(size_t read, const Tensor& x, const Reading& reading) {
  const Encoder& encoder = coder_->encoder(read);
  if (!has(read)) ++added_;
  parts_[read] = encoder.encode(x, rowReal_, reading);
  if (read == 0) shape_ = encoder.leadingShape(x);
}

void Encoding::clear() {
  parts_.assign(parts_.size(), {});
  added_ = 0;
}

}  // namespace gemlens::coder
