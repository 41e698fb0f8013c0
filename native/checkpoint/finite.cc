#include "checkpoint/finite.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace gemlens::checkpoint {
namespace {

constexpr int64_t kPiece = 1 << 18;

// An infinity or a NaN has all exponent bits set. The loop is branch-free, so it runs at memory
// speed.
template <typename Bits>
bool anyNotFinite(const Bits* bits, int64_t count, Bits exponent) {
  unsigned bad = 0;
#pragma omp simd reduction(| : bad)
  for (int64_t i = 0; i < count; ++i) bad |= (bits[i] & exponent) == exponent;
  return bad != 0;
}

template <typename Bits>
int64_t scan(const Tensor& tensor, Bits exponent) {
  const auto* bits = static_cast<const Bits*>(tensor.const_data_ptr());
  const int64_t total = tensor.numel(), pieces = (total + kPiece - 1) / kPiece;
  std::atomic<int64_t> first{pieces};
#pragma omp parallel for schedule(static)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t begin = piece * kPiece;
    if (!anyNotFinite(bits + begin, std::min(kPiece, total - begin), exponent)) continue;
    int64_t known = first.load();
    while (piece < known && !first.compare_exchange_weak(known, piece)) {
    }
  }
  for (int64_t i = first * kPiece; i < total; ++i) {
    if ((bits[i] & exponent) == exponent) return i;
  }
  return -1;
}

// Used for GPU and non-contiguous tensors. It scans a piece at a time, because isfinite allocates a
// temporary of its size.
int64_t scanComposed(const Tensor& tensor) {
  constexpr int64_t kElements = 1 << 26;
  const Tensor flat = tensor.reshape(-1);
  for (int64_t begin = 0; begin < flat.size(0); begin += kElements) {
    const Tensor finite =
        flat.narrow(0, begin, std::min(kElements, flat.size(0) - begin)).isfinite();
    if (finite.all().item<bool>()) continue;
    return begin + finite.logical_not().nonzero()[0][0].item<int64_t>();
  }
  return -1;
}

}  // namespace

int64_t firstNotFinite(const Tensor& tensor) {
  if (!tensor.is_cpu() || !tensor.is_contiguous()) return scanComposed(tensor);
  switch (tensor.scalar_type()) {
    case c10::ScalarType::Double:
      return scan<uint64_t>(tensor, 0x7ff0000000000000);
    case c10::ScalarType::Float:
      return scan<uint32_t>(tensor, 0x7f800000);
    case c10::ScalarType::BFloat16:
      return scan<uint16_t>(tensor, 0x7f80);
    case c10::ScalarType::Half:
      return scan<uint16_t>(tensor, 0x7c00);
    default:
      return -1;
  }
}

}  // namespace gemlens::checkpoint
