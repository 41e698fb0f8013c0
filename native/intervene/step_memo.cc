#include "intervene/step_memo.h"

#include <algorithm>

namespace gemlens::intervene {

std::shared_ptr<FeatureStep> StepMemo::step(
    const std::shared_ptr<const coder::JumpReluCoder>& coder, std::vector<FeatureChange> changes,
    int64_t rowCount) {
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& known) { return known.coder == coder.get(); });
  if (entry == entries_.end()) entry = entries_.insert(entry, {coder.get(), {}, 0, nullptr});
  if (entry->step != nullptr && entry->rowCount == rowCount && entry->changes == changes) {
    entry->step->begin();
  } else {
    entry->step = std::make_shared<FeatureStep>(coder, changes, rowCount);
    entry->changes = std::move(changes);
    entry->rowCount = rowCount;
  }
  return entry->step;
}

}  // namespace gemlens::intervene
