#include "run/diagnosis.h"

#include <cmath>
#include <limits>

#include "hooks/finite_probe.h"

namespace gemlens::run {
namespace {

using hooks::BlockPoint;
using hooks::GlobalPoint;
using Marks = std::map<int, Tensor>;

// The points that are probed when a run without JavaScript hooks is repeated: those that need no
// extra memory.
constexpr BlockPoint kProbed[] = {
    BlockPoint::ResidPre,  BlockPoint::AttnIn, BlockPoint::Q,       BlockPoint::K,
    BlockPoint::V,         BlockPoint::Z,      BlockPoint::AttnOut, BlockPoint::ResidMid,
    BlockPoint::MlpIn,     BlockPoint::MlpPre, BlockPoint::MlpPost, BlockPoint::MlpOut,
    BlockPoint::ResidPost,
};

// Orders points as they fire. By id, the global points after the blocks come before the blocks.
int passOrder(int point) {
  const bool after = point > pointId(GlobalPoint::Embed) && point < hooks::kGlobalPoints;
  return after ? std::numeric_limits<int>::max() - hooks::kGlobalPoints + point : point;
}

bool isFinite(const Tensor& mark, int64_t row) {
  return std::isfinite(mark.select(0, row).item<double>());
}

// Repeats the run and fills `marks` until it ends or fails.
void probeAgain(const Request& request, const model::RunRequest& pass, Marks& marks,
                const CancelToken& token) {
  const int layers = request.model->config().layerCount();
  hooks::HookPlan plan(layers);
  const Tensor realRows = pass.mask.defined() ? pass.mask.reshape(-1) : Tensor();
  const intervene::CompiledInterventions interventions(
      request.interventions, plan, realRows, request.batch * request.pos, request.model->device());
  std::vector<int> points{pointId(GlobalPoint::Embed), pointId(GlobalPoint::UnembedIn)};
  for (int layer = 0; layer < layers; ++layer) {
    for (const BlockPoint point : kProbed) points.push_back(pointId(point, layer));
  }
  for (const int point : points)
    plan.add(point, std::make_unique<hooks::FiniteProbe>(pass.mask, marks[point]));
  model::RunRequest again = pass;
  again.sampling.reset();
  again.output = model::Output::None;
  if (again.kv) again.kv->dropLast(again.pos);
  request.model->run(again, plan, token);
}

}  // namespace

void explain(const ops::NotFiniteLogits& error, const Request& request, const Plan& plan,
             const CancelToken& token) {
  const bool repeatable = request.callbacks == nullptr;
  Marks marks = repeatable ? Marks() : plan.probed();
  if (repeatable) {
    try {
      probeAgain(request, plan.pass(), marks, token);
    } catch (const std::exception&) {
      // The marks of the first run are enough, unless the run was aborted.
      token.check();
    }
  }
  for (const auto& [point, mark] : plan.recordedMarks()) marks[point] = mark;
  int first = pointId(GlobalPoint::UnembedOut);
  for (const auto& [point, mark] : marks) {
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

}  // namespace gemlens::run
