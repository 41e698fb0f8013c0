// Where the interventions of a generation act in one of its runs.
#pragma once

#include <vector>

#include "intervene/interventions.h"

namespace gemlens::intervene {

struct Place {
  Rows rows;                        // none given: all; an empty list: it is left out of this run
  std::vector<int32_t> sourceRows;  // of a patch, one for each row
};

struct Placement {
  std::vector<Place> places;                   // one for each intervention; empty: all rows of each
  std::vector<std::vector<int32_t>> skipRows;  // one for each splice; empty: none
};

// What is done in that run. Throws ARGUMENT unless the lists agree.
Interventions place(const Interventions& interventions, const Placement& placement);

}  // namespace gemlens::intervene
