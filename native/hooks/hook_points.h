// All hook points of the forward pass, as dense integers. Names are TransformerLens' own. The
// gained inputs, and the outputs of attention and MLP before their post-norms, are named as in its
// 4.x bridge.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemlens::hooks {

// Points that fire once in the model, in order of firing.
enum class GlobalPoint : int {
  Embed,
  LnFinalScale,
  LnFinalNormalized,
  UnembedIn,
  UnembedOut,
  kCount,
};

// Points that fire once in each block, in order of firing.
enum class BlockPoint : int {
  ResidPre,
  AttnInput,
  QInput,
  KInput,
  VInput,
  Ln1Scale,
  Ln1Normalized,
  AttnIn,
  Q,
  K,
  V,
  QNormOut,
  KNormOut,
  RotQ,
  RotK,
  AttnScores,
  Pattern,
  Z,
  Result,
  AttnModuleOut,
  Ln1PostScale,
  Ln1PostNormalized,
  AttnOut,
  ResidMid,
  MlpInput,
  Ln2Scale,
  Ln2Normalized,
  MlpIn,
  MlpPre,
  MlpPreLinear,
  MlpPost,
  MlpModuleOut,
  Ln2PostScale,
  Ln2PostNormalized,
  MlpOut,
  ResidPost,
  kCount,
};

inline constexpr int kGlobalPoints = static_cast<int>(GlobalPoint::kCount);
inline constexpr int kBlockPoints = static_cast<int>(BlockPoint::kCount);

// In id order; block names lack their "blocks.L." prefix.
const std::array<std::string_view, kGlobalPoints>& globalPointNames();
const std::array<std::string_view, kBlockPoints>& blockPointNames();

// The id of a point: global points first, then block by block.
inline constexpr int pointId(GlobalPoint point) { return static_cast<int>(point); }
inline constexpr int pointId(BlockPoint point, int layer) {
  return kGlobalPoints + layer * kBlockPoints + static_cast<int>(point);
}
// The block point of an id; kCount if the id is a global point.
inline constexpr BlockPoint blockPointOf(int id) {
  if (id < kGlobalPoints) return BlockPoint::kCount;
  return static_cast<BlockPoint>((id - kGlobalPoints) % kBlockPoints);
}
// True if activations at the point are [batch, head, query, key].
inline constexpr bool isAttention(int id) {
  return blockPointOf(id) == BlockPoint::AttnScores || blockPointOf(id) == BlockPoint::Pattern;
}
inline constexpr int pointCount(int layers) { return kGlobalPoints + layers * kBlockPoints; }

std::string pointName(int id);

}  // namespace gemlens::hooks
