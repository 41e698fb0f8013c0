#include "hooks/hook_points.h"

#include "base/error.h"

namespace gemlens::hooks {

const std::array<std::string_view, kGlobalPoints>& globalPointNames() {
  static constexpr std::array<std::string_view, kGlobalPoints> kNames = {
      "hook_embed",      "ln_final.hook_scale", "ln_final.hook_normalized",
      "unembed.hook_in", "unembed.hook_out",
  };
  return kNames;
}

const std::array<std::string_view, kBlockPoints>& blockPointNames() {
  static constexpr std::array<std::string_view, kBlockPoints> kNames = {
      "hook_resid_pre",       "hook_attn_in",
      "hook_q_input",         "hook_k_input",
      "hook_v_input",         "ln1.hook_scale",
      "ln1.hook_normalized",  "attn.hook_in",
      "attn.hook_q",          "attn.hook_k",
      "attn.hook_v",          "attn.q_norm.hook_out",
      "attn.k_norm.hook_out", "attn.hook_rot_q",
      "attn.hook_rot_k",      "attn.hook_attn_scores",
      "attn.hook_pattern",    "attn.hook_z",
      "attn.hook_result",     "attn.hook_out",
      "ln1_post.hook_scale",  "ln1_post.hook_normalized",
      "hook_attn_out",        "hook_resid_mid",
      "hook_mlp_in",          "ln2.hook_scale",
      "ln2.hook_normalized",  "mlp.hook_in",
      "mlp.hook_pre",         "mlp.hook_pre_linear",
      "mlp.hook_post",        "mlp.hook_out",
      "ln2_post.hook_scale",  "ln2_post.hook_normalized",
      "hook_mlp_out",         "hook_resid_post",
  };
  return kNames;
}

std::string pointName(int id) {
  if (id < kGlobalPoints) return std::string(globalPointNames()[static_cast<size_t>(id)]);
  const int layer = (id - kGlobalPoints) / kBlockPoints;
  const int point = (id - kGlobalPoints) % kBlockPoints;
  return concat("blocks.", layer, ".", blockPointNames()[static_cast<size_t>(point)]);
}

}  // namespace gemlens::hooks
