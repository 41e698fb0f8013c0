#include "binding/interventions.h"

namespace gemlens::binding {
namespace {

using intervene::FeatureChange;
using Ids = std::vector<int32_t>;

intervene::SpliceOptions parseSplice(const ObjectParser& in) {
  intervene::SpliceOptions splice;
  splice.coder = in.get<CoderPtr>("coder");
  splice.errorTerm = in.get<bool>("errorTerm");
  in.into("inOrder", splice.inOrder);
  return splice;
}

intervene::ChangeFeature parseFeature(const ObjectParser& in) {
  intervene::ChangeFeature edit;
  edit.coder = in.get<CoderPtr>("coder");
  edit.change.op =
      in.get<std::string>("op") == "scale" ? FeatureChange::Op::Scale : FeatureChange::Op::Set;
  edit.change.feature = in.get<int32_t>("feature");
  edit.change.value = static_cast<float>(in.get<double>("value"));
  return edit;
}

intervene::Steer parseSteer(const ObjectParser& in) {
  return {in.get<int32_t>("point"),
          in.get<Tensor>("vector"),
          in.get<double>("coefficient"),
          in.optional<double>("cap"),
          {}};
}

intervene::Project parseProject(const ObjectParser& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("vector"), {}};
}

intervene::Patch parsePatch(const ObjectParser& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("source"), {}, {}, in.optional<Ids>("heads")};
}

intervene::Intervention parseIntervention(const ObjectParser& in) {
  const auto kind = in.get<std::string>("kind");
  if (kind == "feature") return parseFeature(in);
  if (kind == "steer") return parseSteer(in);
  if (kind == "project") return parseProject(in);
  if (kind == "patch") return parsePatch(in);
  throw Error(code::kArgument, "forward: expected feature, steer, project or patch, got " + kind);
}

napi_value editsCreate(Arguments& args) {
  const ObjectParser in(args.environment, args[0]);
  auto interventions = std::make_shared<intervene::Interventions>();
  in.forEach("coders", [&](const ObjectParser& item) {
    interventions->splices.push_back(parseSplice(item));
  });
  in.forEach("interventions", [&](const ObjectParser& item) {
    interventions->list.push_back(parseIntervention(item));
  });
  interventions->steps = std::make_shared<intervene::StepMemo>();
  return args.handles().create(InterventionsPtr(std::move(interventions)));
}

}  // namespace

intervene::Interventions parseInterventions(const ObjectParser& in) {
  intervene::Placements placements;
  in.forEachOptional("places", [&](const std::optional<ObjectParser>& placement) {
    intervene::Placement& out = placements.list.emplace_back();
    if (!placement) return;
    out.rows = placement->get<Ids>("rows");
    placement->into("sourceRows", out.sourceRows);
  });
  in.into("skipRows", placements.skipRows);
  return intervene::applyPlacements(*in.get<InterventionsPtr>("handle"), placements);
}

void exportInterventions(Environment& environment, napi_value exports) {
  define<editsCreate>(environment, exports, "editsCreate");
}

}  // namespace gemlens::binding
