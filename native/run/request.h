// One run of a model as plain data: its input, the blocks that run, its interventions and the
// points to record. Nothing has been checked or moved to a device yet (run/check.h, run/plan.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.h"
#include "intervene/interventions.h"
#include "model/transformer.h"
#include "run/callbacks.h"

namespace gemlens::run {

// Draws one token for each row from the last column's logits.
struct Draw {
  ops::Sampling sampling;  // without its history
  // Row r's earlier tokens are history[historyStarts[r] … historyStarts[r+1]); nullopt: no history.
  std::optional<std::vector<int32_t>> history;
  std::vector<int32_t> historyStarts;
};

struct Request {
  std::shared_ptr<const model::Transformer> model;
  int64_t batch = 0;
  int64_t pos = 0;
  // [batch · pos] row-major. The loss needs them even if `resid` is given.
  std::optional<std::vector<int32_t>> tokens;
  Tensor resid;                              // [batch, pos, d], the input of startLayer
  std::optional<std::vector<uint8_t>> mask;  // [batch · pos], 0 for padding; nullopt: all real
  int startLayer = 0;
  int stopLayer = 0;
  model::Output output = model::Output::Logits;
  std::optional<std::vector<int32_t>> columns;  // [batch · n]: columns whose logits are returned
  std::vector<int32_t> cache;                   // points
  std::vector<int32_t> hooks;                   // points of the script's hooks, in calling order
  // Coders whose features are recorded, after all hooks at their sites.
  std::vector<std::shared_ptr<const coder::Coder>> features;
  intervene::Interventions interventions;
  std::shared_ptr<Callbacks> callbacks;  // required for hooks and for a metric
  std::shared_ptr<model::KvCache> kv;
  int64_t step = 0;
  std::optional<Draw> draw;
};

// "logits", "residual", "loss" or "none". Throws ARGUMENT.
model::Output outputFromName(const std::string& name);

// The caller's tensors that the run uses.
std::vector<Tensor> inputsOf(const Request& request);

// The model's part of a checked request, on its device.
model::RunRequest passOf(const Request& request);

}  // namespace gemlens::run
