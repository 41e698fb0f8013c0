// The interventions of one run as plain data, and their compilation to actions of the run's plan:
// first splices, then interventions, each in the order given.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "hooks/hook_plan.h"
#include "intervene/feature_step.h"
#include "intervene/patch.h"
#include "intervene/step_memo.h"
#include "intervene/tracked_splice.h"

namespace gemlens::intervene {

// Row indices on the host; nullopt means all rows.
using Rows = std::optional<std::vector<int32_t>>;

// The changes of one coder's features form one step, in the position of the first change. If the
// coder is spliced, they are part of its splice.
struct ChangeFeature {
  std::shared_ptr<const coder::Coder> coder;
  FeatureChange change;
};
struct Steer {
  int point = 0;
  Tensor vector;
  double coefficient = 0;
  std::optional<double> cap;
  Rows rows;
};
struct Project {
  int point = 0;
  Tensor vector;
  Rows rows;
};
struct Patch {
  int point = 0;
  Tensor source;
  std::vector<int32_t> rows, sourceRows;
  Rows heads;
};
using Intervention = std::variant<ChangeFeature, Steer, Project, Patch>;

struct Interventions {
  std::vector<SpliceOptions> splices;
  std::vector<Intervention> list;
  // The compiled steps that a generation's runs share. Null: each run compiles its own.
  std::shared_ptr<StepMemo> steps;
};

// Calls `visit` with each tensor of the caller's that an intervention uses.
template <typename Visit>
void forEachTensor(const Interventions& interventions, Visit visit) {
  for (const Intervention& intervention : interventions.list) {
    if (const auto* steer = std::get_if<Steer>(&intervention)) visit(steer->vector);
    if (const auto* project = std::get_if<Project>(&intervention)) visit(project->vector);
    if (const auto* patch = std::get_if<Patch>(&intervention)) visit(patch->source);
  }
}

// The compiled interventions of one run. Its splices hold activations of the run.
class CompiledInterventions {
 public:
  // `realRows` [rows] bool or undefined, on the device. `tracks` is true for a run with gradients.
  CompiledInterventions(const Interventions& interventions, hooks::HookPlan& plan,
                        const Tensor& realRows, int64_t rowCount, c10::Device device,
                        bool tracks = false);

  // The splice of a coder; null if it is not spliced.
  Splice* spliceOf(const coder::Coder* coder) const;
  // The same for a run with gradients: by coder, or by index in `splices`.
  TrackedSplice* trackedSpliceOf(const coder::Coder* coder) const;
  TrackedSplice& trackedSplice(size_t i) const { return *tracked_[i]; }
  // Call it after the run. Throws ARGUMENT if a patch put in numbers that are not finite.
  void check() const { checkPatches(patches_); }

 private:
  std::vector<std::shared_ptr<Splice>> splices_;
  std::vector<std::shared_ptr<TrackedSplice>> tracked_;
  PatchMarks patches_ = std::make_shared<std::vector<PatchMark>>();
};

}  // namespace gemlens::intervene
