#include "intervene/placement.h"

#include "base/error.h"

namespace gemlens::intervene {
namespace {

struct SetRows {
  const Placement& placement;

  void operator()(ChangeFeature& edit) const {
    edit.change.allRows = !placement.rows;
    if (placement.rows) edit.change.rows = *placement.rows;
  }
  void operator()(Steer& steer) const { steer.rows = placement.rows; }
  void operator()(Project& project) const { project.rows = placement.rows; }
  void operator()(Patch& patch) const {
    if (!placement.rows) throw Error(code::kArgument, "patch: expected rows, got none");
    patch.rows = *placement.rows;
    patch.sourceRows = placement.sourceRows;
  }
};

void checkCount(const char* subject, size_t expected, size_t got) {
  if (got == 0 || got == expected) return;
  throw Error(code::kArgument, concat("forward: expected ", expected, " ", subject, ", got ", got));
}

}  // namespace

Interventions applyPlacements(const Interventions& interventions, const Placements& placements) {
  const auto& [splices, list, steps] = interventions;
  checkCount("places of interventions", list.size(), placements.list.size());
  checkCount("lists of rows for coders", splices.size(), placements.skipRows.size());
  Interventions out;
  out.steps = steps;
  for (size_t i = 0; i < splices.size(); ++i) {
    out.splices.push_back(splices[i]);
    if (!placements.skipRows.empty()) out.splices.back().skipRows = placements.skipRows[i];
  }
  const Placement everywhere;
  for (size_t i = 0; i < list.size(); ++i) {
    const Placement& placement = placements.list.empty() ? everywhere : placements.list[i];
    if (placement.rows && placement.rows->empty()) continue;
    out.list.push_back(list[i]);
    std::visit(SetRows{placement}, out.list.back());
  }
  return out;
}

}  // namespace gemlens::intervene
