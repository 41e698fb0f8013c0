// One `modelRun` or `modelGradients` call: read on the JS thread, run on the executor's, answered
// on the JS thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attribute/gradients.h"
#include "binding/arguments.h"
#include "binding/interventions.h"
#include "binding/js_hook.h"
#include "binding/tasks.h"
#include "coder/encode_action.h"
#include "model/transformer.h"

namespace gemlens::binding {

class ModelRun {
 public:
  // Throws before anything is queued: token ids, shapes, point ids, columns and layers are checked
  // here. `gradients` is null for a run without.
  ModelRun(Environment& environment, ModelPtr model, napi_value request, napi_value gradients,
           const TaskContext& context);

  // Executor's thread.
  void execute(const CancelToken& token);
  // JS thread.
  napi_value finish(napi_env env);
  void settled();

  // Tensors of the caller that the run reads.
  std::vector<Tensor> inputs() const;

 private:
  struct FeatureRead {
    CoderPtr coder;
    int point = 0;
  };
  void readInput(napi_value request);
  void readStages(napi_value request);
  void readPoints(napi_value request);
  void readColumns(napi_value request);
  void readSampling(napi_value request);
  void readGradients(napi_value gradients);
  attribute::Target readTarget(napi_value object);
  RunLimits limits() const;
  std::vector<int> readPointIds(napi_value array) const;
  void checkFired() const;
  // Of a run that draws tokens: notes whether what is at these points is finite.
  void addProbes(hooks::HookPlan& plan, const std::vector<int>& points);
  std::vector<int> editedPoints(const hooks::HookPlan& plan) const;
  void searchAgain(const CancelToken& token);
  // Throws `error` with the first point that is not finite.
  [[noreturn]] void explain(const ops::NotFiniteLogits& error, const CancelToken& token);
  void differentiate(hooks::HookPlan& plan, const intervene::Compiled& compiled,
                     const std::function<void()>& addCache, const CancelToken& token);
  void finishGradients(napi_env env, napi_value out);

  Environment& environment_;
  ModelPtr model_;
  model::RunRequest request_;
  std::vector<int> cachePoints_;
  std::vector<int> hookPoints_;
  std::vector<FeatureRead> featureReads_;
  intervene::Interventions interventions_;
  std::optional<attribute::GradientRequest> gradients_;
  std::vector<int32_t> gradientSplices_;
  std::shared_ptr<HookTarget> hookTarget_;
  std::vector<Tensor> cached_;
  std::map<int, Tensor> marks_;  // by point, see FiniteProbe
  std::vector<coder::Features> features_;
  model::RunResult result_;
  attribute::GradientResult gradientResult_;
};

}  // namespace gemlens::binding
