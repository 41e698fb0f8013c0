#include "binding/interventions.h"

namespace gemlens::binding {
namespace {

using intervene::FeatureChange;
using Ids = std::vector<int32_t>;

intervene::SpliceOptions readSplice(const ObjectReader& in) {
  intervene::SpliceOptions splice;
  splice.coder = in.get<CoderPtr>("coder");
  splice.errorTerm = in.get<bool>("errorTerm");
  in.into("inOrder", splice.inOrder);
  return splice;
}

intervene::ChangeFeature readFeature(const ObjectReader& in) {
  intervene::ChangeFeature edit;
  edit.coder = in.get<CoderPtr>("coder");
  edit.change.op =
      in.get<std::string>("op") == "scale" ? FeatureChange::Op::Scale : FeatureChange::Op::Set;
  edit.change.feature = in.get<int32_t>("feature");
  edit.change.value = static_cast<float>(in.get<double>("value"));
  return edit;
}

intervene::Steer readSteer(const ObjectReader& in) {
  return {in.get<int32_t>("point"),
          in.get<Tensor>("vector"),
          in.get<double>("coefficient"),
          in.optional<double>("cap"),
          {}};
}

intervene::Project readProject(const ObjectReader& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("vector"), {}};
}

intervene::Patch readPatch(const ObjectReader& in) {
  return {in.get<int32_t>("point"), in.get<Tensor>("source"), {}, {}, in.optional<Ids>("heads")};
}

intervene::Intervention readIntervention(const ObjectReader& in) {
  const auto kind = in.get<std::string>("kind");
  if (kind == "feature") return readFeature(in);
  if (kind == "steer") return readSteer(in);
  if (kind == "project") return readProject(in);
  if (kind == "patch") return readPatch(in);
  throw Error(code::kArgument, "forward: expected feature, steer, project or patch, got " + kind);
}

napi_value editsCreate(Arguments& args) {
  const ObjectReader in(args.environment, args[0]);
  auto edits = std::make_shared<intervene::Interventions>();
  in.forEach("coders",
             [&](const ObjectReader& item) { edits->splices.push_back(readSplice(item)); });
  in.forEach("interventions",
             [&](const ObjectReader& item) { edits->list.push_back(readIntervention(item)); });
  edits->steps = std::make_shared<intervene::StepMemo>();
  return args.handles().create(EditsPtr(std::move(edits)));
}

}  // namespace

intervene::Interventions readEdits(const ObjectReader& in) {
  intervene::Placement placement;
  in.forEachOptional("places", [&](const std::optional<ObjectReader>& place) {
    intervene::Place& out = placement.places.emplace_back();
    if (!place) return;
    out.rows = place->get<Ids>("rows");
    place->into("sourceRows", out.sourceRows);
  });
  in.into("skipRows", placement.skipRows);
  return intervene::place(*in.get<EditsPtr>("handle"), placement);
}

void exportInterventions(Environment& environment, napi_value exports) {
  define<editsCreate>(environment, exports, "editsCreate");
}

}  // namespace gemlens::binding
