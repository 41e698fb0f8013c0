// The source of all CPU kernels. Each kernels/<level>.cc defines GEMLENS_LEVEL and includes this
// once, compiled with its level's flags. The linker may give a shared symbol to any other file,
// which would then run these instructions on a CPU without them. So everything is in an unnamed
// namespace, and no header but the intrinsics' has inline functions. cmake/check_levels.cmake
// checks it.
#include <stdint.h>

#include "kernels/table.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gemlens::kernels {
namespace {

constexpr int64_t kWord = 64;

#if defined(__AVX512F__)
constexpr int64_t kLane = 16;
inline uint64_t firingLane(const float* pre, const float* threshold) {
  const __m512 p = _mm512_loadu_ps(pre);
  return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(p, _mm512_loadu_ps(threshold), _CMP_NLE_UQ), p,
                                 _mm512_setzero_ps(), _CMP_NLE_UQ);
}
#elif defined(__AVX2__)
constexpr int64_t kLane = 8;
inline uint64_t firingLane(const float* pre, const float* threshold) {
  const __m256 p = _mm256_loadu_ps(pre);
  const __m256 above = _mm256_cmp_ps(p, _mm256_loadu_ps(threshold), _CMP_NLE_UQ);
  const __m256 positive = _mm256_cmp_ps(p, _mm256_setzero_ps(), _CMP_NLE_UQ);
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_and_ps(above, positive)));
}
#else
constexpr int64_t kLane = 16;
inline uint64_t firingLane(const float* pre, const float* threshold) {
  int any = 0;  // almost every lane is silent; this test is vectorised, the bits are not
  for (int64_t k = 0; k < kLane; ++k) any |= !(pre[k] <= threshold[k]);
  if (any == 0) return 0;
  uint64_t bits = 0;
  for (int64_t k = 0; k < kLane; ++k) {
    bits |= static_cast<uint64_t>(!(pre[k] <= threshold[k] || pre[k] <= 0)) << k;
  }
  return bits;
}
#endif

int firingMask(const FiringMask& args, void* /*stream*/) {
  const int64_t words = (args.count + kWord - 1) / kWord;
  for (int64_t r = 0; r < args.rows; ++r) {
    const float* pre = args.pre + r * args.count;
    uint64_t* mask = args.mask + r * words;
    for (int64_t begin = 0; begin < args.count; begin += kWord) {
      const int64_t length = args.count - begin < kWord ? args.count - begin : kWord;
      uint64_t bits = 0;
      int64_t k = 0;
      for (; k + kLane <= length; k += kLane) {
        bits |= firingLane(pre + begin + k, args.threshold + begin + k) << k;
      }
      for (; k < length; ++k) {
        const float value = pre[begin + k];
        bits |= static_cast<uint64_t>(!(value <= args.threshold[begin + k] || value <= 0)) << k;
      }
      mask[begin / kWord] = bits;
    }
  }
  return 0;
}

// Written as vectors of four: the compiler otherwise shuffles wider registers for these four sums,
// which is slower.
using Four = float __attribute__((vector_size(16)));

inline Four load(const float* from) {
  Four four;
  __builtin_memcpy(&four, from, sizeof four);
  return four;
}

// Sums `count` entries at once, because the additions of a single entry depend on each other.
template <int count>
void dots(const float* row, const SparseDots& args, int32_t first) {
  const float* entries[count];
  Four sums[count] = {};
  for (int n = 0; n < count; ++n) entries[n] = args.table + args.indices[first + n] * args.width;
  int64_t k = 0;
  for (; k + 4 <= args.width; k += 4) {
    const Four x = load(row + k);
    for (int n = 0; n < count; ++n) sums[n] += x * load(entries[n] + k);
  }
  for (int n = 0; n < count; ++n) {
    Four sum = sums[n];
    for (int64_t rest = k; rest < args.width; ++rest) sum[0] += row[rest] * entries[n][rest];
    args.out[first + n] = sum[0] + sum[1] + sum[2] + sum[3];
  }
}

int sparseDots(const SparseDots& args, void* /*stream*/) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const float* row = args.g + r * args.width;
    int32_t j = args.indptr[r];
    for (; j + 4 <= args.indptr[r + 1]; j += 4) dots<4>(row, args, j);
    for (; j < args.indptr[r + 1]; ++j) dots<1>(row, args, j);
  }
  return 0;
}

int probe(const Probe& args, void* /*stream*/) {
  for (int32_t i = 0; i < args.count; ++i) args.out[i] = args.value + i;
  return 0;
}

#define GEMLENS_QUOTE(name) #name
#define GEMLENS_NAME(name) GEMLENS_QUOTE(name)

}  // namespace

// Without extern, a namespace-scope constant has internal linkage.
extern const Kernels GEMLENS_LEVEL;
constexpr Kernels GEMLENS_LEVEL{GEMLENS_NAME(GEMLENS_LEVEL), firingMask, sparseDots, probe};

}  // namespace gemlens::kernels
