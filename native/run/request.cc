#include "run/request.h"

#include <algorithm>

#include "base/error.h"

namespace gemlens::run {
namespace {

Tensor idTensor(const std::vector<int32_t>& ids, int64_t rows) {
  const auto count = static_cast<int64_t>(ids.size());
  Tensor out = empty({rows, count / rows}, c10::kLong);
  std::copy(ids.begin(), ids.end(), out.mutable_data_ptr<int64_t>());
  return out;
}

// Returns an undefined tensor if every token is real.
Tensor maskTensor(const Request& request) {
  const auto isReal = [](uint8_t real) { return real != 0; };
  if (!request.mask || std::all_of(request.mask->begin(), request.mask->end(), isReal)) return {};
  Tensor out = empty({request.batch, request.pos}, c10::kBool);
  std::transform(request.mask->begin(), request.mask->end(), out.mutable_data_ptr<bool>(), isReal);
  return out;
}

ops::Sampling samplingOf(const Draw& draw, int64_t batch) {
  ops::Sampling sampling = draw.sampling;
  sampling.history.resize(static_cast<size_t>(batch));
  if (!draw.history) return sampling;
  for (size_t row = 0; row < sampling.history.size(); ++row) {
    // An empty history may have any start.
    if (draw.historyStarts[row] >= draw.historyStarts[row + 1]) continue;
    const auto tokens = draw.history->begin();
    sampling.history[row].assign(tokens + draw.historyStarts[row],
                                 tokens + draw.historyStarts[row + 1]);
  }
  return sampling;
}

}  // namespace

model::Output outputFromName(const std::string& name) {
  if (name == "logits") return model::Output::Logits;
  if (name == "residual") return model::Output::Residual;
  if (name == "loss") return model::Output::Loss;
  if (name == "none") return model::Output::None;
  throw Error(code::kArgument,
              "forward: expected output logits, residual, loss or none, got " + name);
}

std::vector<Tensor> inputsOf(const Request& request) {
  std::vector<Tensor> out;
  if (request.resid.defined()) out.push_back(request.resid);
  intervene::forEachTensor(request.interventions,
                           [&](const Tensor& tensor) { out.push_back(tensor); });
  return out;
}

model::RunRequest passOf(const Request& request) {
  model::RunRequest pass;
  pass.batch = request.batch;
  pass.pos = request.pos;
  if (request.tokens) pass.tokens = idTensor(*request.tokens, request.batch);
  pass.resid = request.resid;
  pass.mask = maskTensor(request);
  pass.startLayer = request.startLayer;
  pass.stopLayer = request.stopLayer;
  pass.output = request.output;
  if (request.columns) pass.columns = idTensor(*request.columns, request.batch);
  pass.kv = request.kv;
  pass.step = request.step;
  if (request.draw) pass.sampling = samplingOf(*request.draw, request.batch);
  for (Tensor* tensor : {&pass.tokens, &pass.mask, &pass.columns}) {
    if (tensor->defined()) *tensor = tensor->to(request.model->device());
  }
  return pass;
}

}  // namespace gemlens::run
