#include "run/plan.h"

#include "base/error.h"
#include "coder/encode_action.h"
#include "hooks/finite_probe.h"
#include "run/hook_action.h"

namespace gemlens::run {

Plan::Plan(const Request& request, const CancelToken& token, bool tracks)
    : request_(request),
      pass_(passOf(request)),
      realRows_(pass_.mask.defined() ? pass_.mask.reshape(-1) : Tensor()),
      hooks_(request.model->config().layerCount()),
      interventions_(request.interventions, hooks_, realRows_, request.batch * request.pos,
                     request.model->device(), tracks) {
  for (size_t i = 0; i < request.hooks.size(); ++i) {
    hooks_.add(request.hooks[i],
               std::make_unique<HookAction>(hooks_, request.callbacks, static_cast<int>(i), token));
  }
  if (request.draw) addProbes();
  addFeatures();
}

// Tokens are only drawn from finite logits. If a run cannot be repeated, the probes find the first
// point that is not finite.
void Plan::addProbes() {
  const int points = hooks::pointCount(request_.model->config().layerCount());
  for (int id = 0; id < points; ++id) {
    if (hooks_.live(id))
      hooks_.add(id, std::make_unique<hooks::FiniteProbe>(pass_.mask, marks_[id]));
  }
}

void Plan::addFeatures() {
  recorded_.features.resize(request_.features.size());
  for (size_t i = 0; i < request_.features.size(); ++i) {
    const auto& coder = request_.features[i];
    coder::Features& slot = recorded_.features[i];
    if (intervene::Splice* splice = interventions_.spliceOf(coder.get())) {
      splice->keepFeatures(slot);
    } else {
      coder::addEncodeActions(hooks_, coder, realRows_, slot);
    }
  }
}

void Plan::addCache() {
  recorded_.cache.resize(request_.cache.size());
  for (size_t i = 0; i < request_.cache.size(); ++i) {
    hooks_.add(request_.cache[i], std::make_unique<hooks::CacheAction>(hooks_, recorded_.cache[i]));
  }
}

Recorded Plan::finish() {
  interventions_.check();
  checkFired();
  return std::move(recorded_);
}

std::map<int, Tensor> Plan::recordedMarks() const {
  std::map<int, Tensor> marks;
  for (size_t i = 0; i < recorded_.cache.size(); ++i) {
    const int point = request_.cache[i];
    if (recorded_.cache[i].defined())
      marks[point] = hooks::finiteMark(point, recorded_.cache[i], pass_.mask);
  }
  return marks;
}

void Plan::checkFired() const {
  const auto fail = [](int point) {
    const std::string name = hooks::pointName(point);
    throw Error(
        code::kHook,
        name + " did not fire in this run (check startLayer, stopLayer and the model's kind)",
        {{"hook", name}});
  };
  for (size_t i = 0; i < recorded_.cache.size(); ++i) {
    if (!recorded_.cache[i].defined()) fail(request_.cache[i]);
  }
  for (size_t i = 0; i < recorded_.features.size(); ++i) {
    if (!recorded_.features[i].rows.indptr.defined())
      fail(request_.features[i]->reads().back().point);
  }
}

}  // namespace gemlens::run
