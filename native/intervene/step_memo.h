// Caches the compiled feature steps of a generation's runs. While the changes of a coder's features
// stay the same from token to token, their columns are gathered only once.
#pragma once

#include <memory>
#include <vector>

#include "intervene/feature_step.h"

namespace gemlens::intervene {

// Used by one run at a time, on the executor's thread.
class StepMemo {
 public:
  // The step for these changes: the coder's previous step if its changes were the same, otherwise a
  // new one.
  std::shared_ptr<FeatureStep> step(const std::shared_ptr<const coder::Coder>& coder,
                                    std::vector<FeatureChange> changes, int64_t rowCount,
                                    coder::WriteSites sites);

 private:
  struct Entry {
    const coder::Coder* coder;
    std::vector<FeatureChange> changes;
    int64_t rowCount;
    coder::WriteSites sites;
    std::shared_ptr<FeatureStep> step;
  };
  std::vector<Entry> entries_;  // one for each coder
};

}  // namespace gemlens::intervene
