#include "intervene/interventions.h"

#include <algorithm>

#include "intervene/direction.h"
#include "intervene/patch.h"
#include "intervene/rows.h"

namespace gemlens::intervene {
namespace {

// Reads at a coder's input.
template <typename Step>
class ReadAction final : public hooks::Action {
 public:
  explicit ReadAction(std::shared_ptr<Step> step) : step_(std::move(step)) {}
  Tensor apply(const Tensor& x, const hooks::Position&) override {
    step_->read(x);
    return x;
  }

 private:
  std::shared_ptr<Step> step_;
};

// Writes at its output.
template <typename Step>
class WriteAction final : public hooks::Action {
 public:
  explicit WriteAction(std::shared_ptr<Step> step) : step_(std::move(step)) {}
  Tensor apply(const Tensor& x, const hooks::Position&) override { return step_->apply(x); }
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  std::shared_ptr<Step> step_;
};

template <typename Step>
void addStep(hooks::HookPlan& plan, const std::shared_ptr<Step>& step, int point, int pointOut) {
  plan.add(point, std::make_unique<ReadAction<Step>>(step));
  plan.add(pointOut, std::make_unique<WriteAction<Step>>(step));
}

Tensor rowsTensor(const Rows& rows, c10::Device device) {
  return rows ? indexTensor(*rows, device) : Tensor();
}

std::vector<FeatureChange> changesOf(const Interventions& interventions,
                                     const coder::JumpReluCoder* coder) {
  std::vector<FeatureChange> changes;
  for (const Intervention& intervention : interventions.list) {
    const auto* change = std::get_if<ChangeFeature>(&intervention);
    if (change != nullptr && change->coder.get() == coder) changes.push_back(change->change);
  }
  return changes;
}

// Adds one intervention that is not a feature's.
struct AddAction {
  hooks::HookPlan& plan;
  c10::Device device;
  const PatchMarks& patches;

  void operator()(const ChangeFeature&) const {}
  void operator()(const Steer& steer) const {
    plan.add(steer.point, std::make_unique<SteerAction>(steer.vector, steer.coefficient, steer.cap,
                                                        rowsTensor(steer.rows, device)));
  }
  void operator()(const Project& project) const {
    plan.add(project.point,
             std::make_unique<ProjectAction>(project.vector, rowsTensor(project.rows, device)));
  }
  void operator()(const Patch& patch) const {
    plan.add(patch.point,
             std::make_unique<PatchAction>(patch.source, indexTensor(patch.rows, device),
                                           indexTensor(patch.sourceRows, device),
                                           rowsTensor(patch.heads, device), patches));
  }
};

}  // namespace

Compiled::Compiled(const Interventions& interventions, hooks::HookPlan& plan, const Tensor& rowReal,
                   int64_t rowCount, c10::Device device) {
  StepMemo own;
  StepMemo& steps = interventions.steps ? *interventions.steps : own;
  const auto stepOf = [&](const std::shared_ptr<const coder::JumpReluCoder>& coder) {
    auto changes = changesOf(interventions, coder.get());
    return changes.empty() ? nullptr : steps.step(coder, std::move(changes), rowCount);
  };
  std::vector<const coder::JumpReluCoder*> done;
  for (const SpliceOptions& options : interventions.splices) {
    const auto* coder = options.coder.get();
    const auto splice = std::make_shared<Splice>(options, stepOf(options.coder), rowReal, rowCount);
    splices_.push_back(splice);
    if (options.inOrder) continue;
    addStep(plan, splice, options.point, options.pointOut);
    done.push_back(coder);
  }
  for (const Intervention& intervention : interventions.list) {
    std::visit(AddAction{plan, device, patches_}, intervention);
    const auto* change = std::get_if<ChangeFeature>(&intervention);
    if (change == nullptr) continue;
    const auto* coder = change->coder.get();
    if (std::find(done.begin(), done.end(), coder) != done.end()) continue;
    done.push_back(coder);
    const auto splice = std::find_if(splices_.begin(), splices_.end(), [&](const auto& entry) {
      return entry->options().coder.get() == coder;
    });
    if (splice != splices_.end()) {
      addStep(plan, *splice, change->point, change->pointOut);
      continue;
    }
    addStep(plan, stepOf(change->coder), change->point, change->pointOut);
  }
  for (const auto& splice : splices_) {
    const SpliceOptions& options = splice->options();
    if (std::find(done.begin(), done.end(), options.coder.get()) != done.end()) continue;
    addStep(plan, splice, options.point, options.pointOut);
  }
}

Splice* Compiled::spliceOf(const coder::JumpReluCoder* coder) const {
  for (const auto& splice : splices_) {
    if (splice->options().coder.get() == coder) return splice.get();
  }
  return nullptr;
}

}  // namespace gemlens::intervene
