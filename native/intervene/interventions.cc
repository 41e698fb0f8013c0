#include "intervene/interventions.h"

#include <algorithm>

#include "intervene/direction.h"
#include "intervene/patch.h"
#include "intervene/plain_splice.h"
#include "intervene/rows.h"

namespace gemlens::intervene {
namespace {

// Passes x at a read site to a step.
template <typename Step>
class ObserveAction final : public hooks::Action {
 public:
  ObserveAction(std::shared_ptr<Step> step, size_t read) : step_(std::move(step)), read_(read) {}
  Tensor apply(const Tensor& x, const hooks::Firing&) override {
    step_->observe(read_, x);
    return x;
  }

 private:
  std::shared_ptr<Step> step_;
  size_t read_;
};

// Lets a step change the value at a write site.
template <typename Step>
class WriteAction final : public hooks::Action {
 public:
  WriteAction(std::shared_ptr<Step> step, size_t write) : step_(std::move(step)), write_(write) {}
  Tensor apply(const Tensor& x, const hooks::Firing&) override { return step_->write(write_, x); }
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  std::shared_ptr<Step> step_;
  size_t write_;
};

// If a site is both read and written, the read comes first.
template <typename Step>
void addStep(hooks::HookPlan& plan, const std::shared_ptr<Step>& step, const coder::Coder& coder) {
  for (size_t read = 0; read < coder.reads().size(); ++read) {
    if (step->reads(read))
      plan.add(coder.reads()[read].point, std::make_unique<ObserveAction<Step>>(step, read));
  }
  for (size_t write = 0; write < coder.writes().size(); ++write) {
    if (step->writes(write))
      plan.add(coder.writes()[write].point, std::make_unique<WriteAction<Step>>(step, write));
  }
}

Tensor rowsTensor(const Rows& rows, c10::Device device) {
  return rows ? indexTensor(*rows, device) : Tensor();
}

std::vector<FeatureChange> changesOf(const Interventions& interventions,
                                     const coder::Coder* coder) {
  std::vector<FeatureChange> changes;
  for (const Intervention& intervention : interventions.list) {
    const auto* change = std::get_if<ChangeFeature>(&intervention);
    if (change != nullptr && change->coder.get() == coder) changes.push_back(change->change);
  }
  return changes;
}

// Adds the action of an intervention that does not change a feature.
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

CompiledInterventions::CompiledInterventions(const Interventions& interventions,
                                             hooks::HookPlan& plan, const Tensor& realRows,
                                             int64_t rowCount, c10::Device device, bool tracks) {
  using coder::WriteSites;
  StepMemo own;
  StepMemo& steps = interventions.steps ? *interventions.steps : own;
  const auto stepOf = [&](const std::shared_ptr<const coder::Coder>& coder, WriteSites sites) {
    auto changes = changesOf(interventions, coder.get());
    return changes.empty() ? nullptr : steps.step(coder, std::move(changes), rowCount, sites);
  };
  std::vector<const coder::Coder*> done;
  for (const SpliceOptions& options : interventions.splices) {
    const auto* coder = options.coder.get();
    const auto step =
        stepOf(options.coder, options.errorTerm ? WriteSites::Edited : WriteSites::All);
    if (tracks) {
      tracked_.push_back(std::make_shared<TrackedSplice>(options, step, realRows, rowCount));
      splices_.push_back(tracked_.back());
    } else {
      splices_.push_back(std::make_shared<PlainSplice>(options, step, realRows, rowCount));
    }
    if (options.inOrder) continue;
    addStep(plan, splices_.back(), *coder);
    done.push_back(coder);
  }
  for (const Intervention& intervention : interventions.list) {
    std::visit(AddAction{plan, device, patches_}, intervention);
    const auto* change = std::get_if<ChangeFeature>(&intervention);
    if (change == nullptr) continue;
    const auto* coder = change->coder.get();
    if (std::find(done.begin(), done.end(), coder) != done.end()) continue;
    done.push_back(coder);
    const auto splice = std::find_if(splices_.begin(), splices_.end(),
                                     [&](const auto& entry) { return &entry->coder() == coder; });
    if (splice != splices_.end()) {
      addStep(plan, *splice, *coder);
      continue;
    }
    addStep(plan, stepOf(change->coder, WriteSites::Edited), *coder);
  }
  for (const auto& splice : splices_) {
    if (std::find(done.begin(), done.end(), &splice->coder()) == done.end())
      addStep(plan, splice, splice->coder());
  }
}

Splice* CompiledInterventions::spliceOf(const coder::Coder* coder) const {
  for (const auto& splice : splices_) {
    if (&splice->coder() == coder) return splice.get();
  }
  return nullptr;
}

TrackedSplice* CompiledInterventions::trackedSpliceOf(const coder::Coder* coder) const {
  for (const auto& splice : tracked_) {
    if (&splice->coder() == coder) return splice.get();
  }
  return nullptr;
}

}  // namespace gemlens::intervene
