// Every named place in the forward pass, as dense integers. Names are TransformerLens' own; the
// gained inputs and what leaves attention and MLP before their post norms are named as its 4.x
// bridge does.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemlens::hooks {

// Once in the model, in order of firing.
enum class GlobalPoint : int {
  Embed,
  LnFinalScale,
  LnFinalNormalized,
  UnembedIn,
  UnembedOut,
  kCount,
};

// Once in each block, in order of firing.
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

// Id of a point: the globals first, then block by block.
inline constexpr int pointId(GlobalPoint point) { return static_cast<int>(point); }
inline constexpr int pointId(BlockPoint point, int layer) {
  return kGlobalPoints + layer * kBlockPoints + static_cast<int>(point);
}
// Which of a block's points an id is; kCount for a global one.
inline constexpr BlockPoint blockPointOf(int id) {
  if (id < kGlobalPoints) return BlockPoint::kCount;
  return static_cast<BlockPoint>((id - kGlobalPoints) % kBlockPoints);
}
// Whether an activation there is [batch, head, query, key].
inline constexpr bool isAttention(int id) {
  return blockPointOf(id) == BlockPoint::AttnScores || blockPointOf(id) == BlockPoint::Pattern;
}
inline constexpr int pointCount(int layers) { return kGlobalPoints + layers * kBlockPoints; }

std::string pointName(int id);

}  // namespace gemlens::hooks
