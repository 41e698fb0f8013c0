#include "intervene/plain_splice.h"

namespace gemlens::intervene {

// A splice needs only the changed features if it has its error term and nobody reads its features.
void PlainSplice::encode(size_t read, const Tensor& x) {
  if (!options_.errorTerm || wantsFeatures()) addToEncoding(read, x);
}

Tensor PlainSplice::rebuild(size_t write, const Tensor& base) {
  if (options_.errorTerm) return base;
  const Tensor rebuilt = coder().decoder(write).decode(encoding_.parts(), skipInput(write));
  return rebuilt.reshape(base.sizes()).to(base.scalar_type());
}

}  // namespace gemlens::intervene
