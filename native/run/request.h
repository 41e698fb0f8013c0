// One run of a model as plain data: what it begins with, how far it goes, what is done and read on
// the way. Nothing here has been checked or put on a device yet (run/check.h, run/plan.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.h"
#include "intervene/interventions.h"
#include "model/transformer.h"
#include "run/caller.h"

namespace gemlens::run {

// One token is drawn for each row from the last column's logits.
struct Draw {
  ops::Sampling sampling;  // without its history
  // Row r's earlier tokens are history[starts[r] … starts[r+1]); none for no history.
  std::optional<std::vector<int32_t>> history;
  std::vector<int32_t> historyStarts;
};

struct Request {
  std::shared_ptr<const model::Transformer> model;
  int64_t batch = 0;
  int64_t pos = 0;
  // [batch · pos] row-major; the loss needs them beside `resid` too.
  std::optional<std::vector<int32_t>> tokens;
  Tensor resid;                              // [batch, pos, d] that enters startLayer
  std::optional<std::vector<uint8_t>> mask;  // [batch · pos], 0 for padding; none: all are real
  int startLayer = 0;
  int stopLayer = 0;
  model::Output output = model::Output::Logits;
  std::optional<std::vector<int32_t>> columns;  // [batch · n] whose logits are wanted; none: all
  std::vector<int32_t> cache;                   // points
  std::vector<int32_t> hooks;                   // points of the caller's hooks, in calling order
  // Coders that are read, after all hooks at their sites.
  std::vector<std::shared_ptr<const coder::Coder>> features;
  intervene::Interventions interventions;
  std::shared_ptr<Caller> caller;  // needed with hooks, and for a metric
  std::shared_ptr<model::KvCache> kv;
  int64_t step = 0;
  std::optional<Draw> draw;
};

// "logits", "residual", "loss" or "none". Throws ARGUMENT.
model::Output outputFromName(const std::string& name);

// Tensors of the caller's that the run reads.
std::vector<Tensor> inputsOf(const Request& request);

// The part that the model takes, on its device. The request has been checked.
model::RunRequest passOf(const Request& request);

}  // namespace gemlens::run
