// The rows on which the interventions of a generation act in one of its runs.
#pragma once

#include <vector>

#include "intervene/interventions.h"

namespace gemlens::intervene {

struct Placement {
  Rows rows;                        // nullopt: all; an empty list: not used in this run
  std::vector<int32_t> sourceRows;  // for a patch, one for each row
};

struct Placements {
  std::vector<Placement> list;                 // one for each intervention; empty: all rows of each
  std::vector<std::vector<int32_t>> skipRows;  // one for each splice; empty: none
};

// Returns the interventions of that run. Throws ARGUMENT unless the lengths of the lists agree.
Interventions applyPlacements(const Interventions& interventions, const Placements& placements);

}  // namespace gemlens::intervene
