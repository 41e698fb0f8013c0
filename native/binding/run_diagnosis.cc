// Where a run whose logits are not finite went wrong.
#include <algorithm>
#include <cmath>
#include <limits>

#include "binding/run_request.h"
#include "hooks/finite_probe.h"

namespace gemlens::binding {
namespace {

using hooks::BlockPoint;
using hooks::GlobalPoint;

// What a run without JavaScript hooks is searched for when it is done again: the points that cost
// no memory of their own.
constexpr BlockPoint kSearched[] = {
    BlockPoint::ResidPre,  BlockPoint::AttnIn, BlockPoint::Q,       BlockPoint::K,
    BlockPoint::V,         BlockPoint::Z,      BlockPoint::AttnOut, BlockPoint::ResidMid,
    BlockPoint::MlpIn,     BlockPoint::MlpPre, BlockPoint::MlpPost, BlockPoint::MlpOut,
    BlockPoint::ResidPost,
};

// In order of the pass; ids have the points after the blocks before them.
int passOrder(int point) {
  const bool after = point > pointId(GlobalPoint::Embed) && point < hooks::kGlobalPoints;
  return after ? std::numeric_limits<int>::max() - hooks::kGlobalPoints + point : point;
}

bool isFinite(const Tensor& mark, int64_t row) {
  return std::isfinite(mark.select(0, row).item<double>());
}

}  // namespace

void ModelRun::addProbes(hooks::HookPlan& plan, const std::vector<int>& points) {
  for (const int point : points)
    plan.add(point, std::make_unique<hooks::FiniteProbe>(request_.mask, marks_[point]));
}

std::vector<int> ModelRun::editedPoints(const hooks::HookPlan& plan) const {
  std::vector<int> points;
  for (int id = 0; id < hooks::pointCount(model_->config().layerCount()); ++id) {
    if (plan.live(id)) points.push_back(id);
  }
  return points;
}

// Runs once more, which without JavaScript hooks does the same, and looks at more points.
void ModelRun::searchAgain(const CancelToken& token) {
  const int layers = model_->config().layerCount();
  hooks::HookPlan plan(layers);
  const Tensor rowReal = request_.mask.defined() ? request_.mask.reshape(-1) : Tensor();
  const intervene::Compiled compiled(interventions_, plan, rowReal, request_.batch * request_.pos,
                                     model_->device());
  std::vector<int> points{pointId(GlobalPoint::Embed), pointId(GlobalPoint::UnembedIn)};
  for (int layer = 0; layer < layers; ++layer) {
    for (const BlockPoint point : kSearched) points.push_back(pointId(point, layer));
  }
  marks_.clear();
  addProbes(plan, points);
  model::RunRequest again = request_;
  again.sampling.reset();
  again.output = model::Output::None;
  if (again.kv) again.kv->dropLast(again.pos);
  model_->run(again, plan, token);
}

void ModelRun::explain(const ops::NotFiniteLogits& error, const CancelToken& token) {
  const bool repeatable = hookTarget_ == nullptr;
  if (repeatable) {
    try {
      searchAgain(token);
    } catch (const std::exception&) {
      // What the first run has shown is enough, and of an abort the caller knows.
      token.check();
    }
  }
  for (size_t i = 0; i < cached_.size(); ++i) {
    if (cached_[i].defined())
      marks_[cachePoints_[i]] = hooks::finiteMark(cachePoints_[i], cached_[i], request_.mask);
  }
  int first = pointId(GlobalPoint::UnembedOut);
  for (const auto& [point, mark] : marks_) {
    if (mark.defined() && !isFinite(mark, error.row()) && passOrder(point) < passOrder(first))
      first = point;
  }
  const std::string name = hooks::pointName(first);
  Fields fields = error.fields();
  fields.emplace_back("hook", name);
  throw Error(code::kArgument,
              concat(error.what(), "; the first hook point known not to be finite is ", name,
                     repeatable ? "" : " (of those that are hooked, edited or recorded)"),
              std::move(fields));
}

}  // namespace gemlens::binding
