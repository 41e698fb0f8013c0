#include "intervene/placement.h"

#include "base/error.h"

namespace gemlens::intervene {
namespace {

struct Put {
  const Place& place;

  void operator()(ChangeFeature& edit) const {
    edit.change.allRows = !place.rows;
    if (place.rows) edit.change.rows = *place.rows;
  }
  void operator()(Steer& steer) const { steer.rows = place.rows; }
  void operator()(Project& project) const { project.rows = place.rows; }
  void operator()(Patch& patch) const {
    if (!place.rows) throw Error(code::kArgument, "patch: expected rows, got none");
    patch.rows = *place.rows;
    patch.sourceRows = place.sourceRows;
  }
};

void checkCount(const char* what, size_t expected, size_t got) {
  if (got == 0 || got == expected) return;
  throw Error(code::kArgument, concat("forward: expected ", expected, " ", what, ", got ", got));
}

}  // namespace

Interventions place(const Interventions& interventions, const Placement& placement) {
  const auto& [splices, list, steps] = interventions;
  checkCount("places of interventions", list.size(), placement.places.size());
  checkCount("lists of rows for coders", splices.size(), placement.skipRows.size());
  Interventions out;
  out.steps = steps;
  for (size_t i = 0; i < splices.size(); ++i) {
    out.splices.push_back(splices[i]);
    if (!placement.skipRows.empty()) out.splices.back().skipRows = placement.skipRows[i];
  }
  const Place everywhere;
  for (size_t i = 0; i < list.size(); ++i) {
    const Place& place = placement.places.empty() ? everywhere : placement.places[i];
    if (place.rows && place.rows->empty()) continue;
    out.list.push_back(list[i]);
    std::visit(Put{place}, out.list.back());
  }
  return out;
}

}  // namespace gemlens::intervene
