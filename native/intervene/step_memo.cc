#include "intervene/step_memo.h"

#include <algorithm>

namespace gemlens::intervene {

std::shared_ptr<FeatureStep> StepMemo::step(const std::shared_ptr<const coder::Coder>& coder,
                                            std::vector<FeatureChange> changes, int64_t rowCount,
                                            coder::WriteSites sites) {
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& known) { return known.coder == coder.get(); });
  if (entry == entries_.end()) entry = entries_.insert(entry, {coder.get(), {}, 0, sites, nullptr});
  if (entry->step != nullptr && entry->rowCount == rowCount && entry->sites == sites &&
      entry->changes == changes) {
    entry->step->begin();
  } else {
    entry->step = std::make_shared<FeatureStep>(coder, changes, rowCount, sites);
    entry->changes = std::move(changes);
    entry->rowCount = rowCount;
    entry->sites = sites;
  }
  return entry->step;
}

}  // namespace gemlens::intervene
