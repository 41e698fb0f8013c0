#include "binding/interventions.h"

namespace gemlens::binding {
namespace {

using intervene::FeatureChange;
using Ids = std::vector<int32_t>;

intervene::SpliceOptions readSplice(const ObjectReader& in) {
  intervene::SpliceOptions splice;
  splice.coder = in.get<CoderPtr>("coder");
  splice.point = in.get<int32_t>("point");
  splice.pointOut = in.get<int32_t>("pointOut");
  splice.errorTerm = in.get<bool>("errorTerm");
  in.into("inOrder", splice.inOrder);
  in.into("skipRows", splice.skipRows);
  return splice;
}

intervene::ChangeFeature readFeature(const ObjectReader& in) {
  intervene::ChangeFeature edit;
  edit.coder = in.get<CoderPtr>("coder");
  edit.point = in.get<int32_t>("point");
  edit.pointOut = in.get<int32_t>("pointOut");
  edit.change.op =
      in.get<std::string>("op") == "scale" ? FeatureChange::Op::Scale : FeatureChange::Op::Set;
  edit.change.feature = in.get<int32_t>("feature");
  edit.change.value = static_cast<float>(in.get<double>("value"));
  if (auto rows = in.optional<Ids>("rows")) {
    edit.change.allRows = false;
    edit.change.rows = std::move(*rows);
  }
  return edit;
}

intervene::Steer readSteer(const ObjectReader& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("vector"), in.get<double>("coefficient"),
          in.optional<double>("cap"), in.optional<Ids>("rows")};
}

intervene::Project readProject(const ObjectReader& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("vector"), in.optional<Ids>("rows")};
}

intervene::Patch readPatch(const ObjectReader& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("source"), in.get<Ids>("rows"),
          in.get<Ids>("sourceRows"), in.optional<Ids>("heads")};
}

intervene::Intervention readIntervention(const ObjectReader& in) {
  const auto kind = in.get<std::string>("kind");
  if (kind == "feature") return readFeature(in);
  if (kind == "steer") return readSteer(in);
  if (kind == "project") return readProject(in);
  if (kind == "patch") return readPatch(in);
  throw Error(code::kArgument, "forward: expected feature, steer, project or patch, got " + kind);
}

}  // namespace

intervene::Interventions readInterventions(const ObjectReader& in) {
  intervene::Interventions out;
  in.forEach("coders", [&](const ObjectReader& item) { out.splices.push_back(readSplice(item)); });
  in.forEach("interventions",
             [&](const ObjectReader& item) { out.list.push_back(readIntervention(item)); });
  return out;
}

}  // namespace gemlens::binding
