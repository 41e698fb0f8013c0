// One `modelRun` call: read on the JS thread, run on the executor's, answered on the JS thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "binding/arguments.h"
#include "binding/js_hook.h"
#include "binding/tasks.h"
#include "coder/encode_action.h"
#include "model/transformer.h"

namespace gemlens::binding {

class ModelRun {
 public:
  // Throws before anything is queued: token ids, shapes, point ids, columns and layers are checked
  // here.
  ModelRun(Environment& environment, ModelPtr model, napi_value request,
           const TaskContext& context);

  // Executor's thread.
  void execute(const CancelToken& token);
  // JS thread.
  napi_value finish(napi_env env);
  void settled();

  const Tensor& input() const { return request_.resid; }

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
  std::vector<int> readPointIds(napi_value array) const;
  void checkFired() const;

  Environment& environment_;
  ModelPtr model_;
  model::RunRequest request_;
  std::vector<int> cachePoints_;
  std::vector<int> hookPoints_;
  std::vector<FeatureRead> featureReads_;
  std::shared_ptr<HookTarget> hookTarget_;
  std::vector<Tensor> cached_;
  std::vector<coder::Features> features_;
  model::RunResult result_;
};

}  // namespace gemlens::binding
