#include "binding/interventions.h"

#include <algorithm>

#include "base/device.h"

namespace gemlens::binding {
namespace {

using intervene::FeatureChange;
using intervene::Rows;

struct Reader {
  Environment& environment;
  const RunLimits& limits;

  napi_env env() const { return environment.env(); }
  int point(napi_value object, const char* name) const {
    return readPoint(environment, object, name, limits);
  }
  Rows rows(napi_value object) const {
    napi_value value = optionalProperty(env(), object, "rows");
    if (value == nullptr) return std::nullopt;
    return readIndices(environment, value, limits.rows, "rows");
  }
  CoderPtr coder(napi_value object) const { return readCoder(environment, object, limits); }
  Tensor tensor(napi_value object, const char* name) const {
    return environment.handles().tensor(property(env(), object, name));
  }

  intervene::SpliceOptions splice(napi_value object) const {
    intervene::SpliceOptions options;
    options.coder = coder(object);
    options.point = point(object, "point");
    options.pointOut = point(object, "pointOut");
    options.errorTerm = readBool(env(), property(env(), object, "errorTerm"));
    if (napi_value inOrder = optionalProperty(env(), object, "inOrder"))
      options.inOrder = readBool(env(), inOrder);
    if (napi_value skip = optionalProperty(env(), object, "skipRows"))
      options.skipRows = readIndices(environment, skip, limits.rows, "skipRows");
    return options;
  }

  intervene::Intervention feature(napi_value object) const {
    intervene::ChangeFeature out;
    out.coder = coder(object);
    out.point = point(object, "point");
    out.pointOut = point(object, "pointOut");
    out.change.op = readString(env(), property(env(), object, "op")) == "scale"
                        ? FeatureChange::Op::Scale
                        : FeatureChange::Op::Set;
    out.change.feature = readFeature(environment, object, *out.coder);
    out.change.value = static_cast<float>(readNumber(env(), property(env(), object, "value")));
    if (Rows chosen = rows(object)) {
      out.change.allRows = false;
      out.change.rows = std::move(*chosen);
    }
    return out;
  }

  intervene::Intervention steer(napi_value object) const {
    intervene::Steer out;
    out.point = point(object, "point");
    out.vector = tensor(object, "vector");
    out.coefficient = readNumber(env(), property(env(), object, "coefficient"));
    if (napi_value cap = optionalProperty(env(), object, "cap")) out.cap = readNumber(env(), cap);
    out.rows = rows(object);
    return out;
  }

  intervene::Intervention project(napi_value object) const {
    return intervene::Project{point(object, "point"), tensor(object, "vector"), rows(object)};
  }

  intervene::Intervention patch(napi_value object) const {
    intervene::Patch out;
    out.point = point(object, "point");
    out.source = tensor(object, "source");
    if (out.source.dim() < 3) {
      throw Error(code::kShape, concat("patch: expected [batch, pos, ..] for source, got ",
                                       formatShape(out.source.sizes())));
    }
    const auto block = hooks::blockPointOf(out.point);
    const bool attention =
        block == hooks::BlockPoint::AttnScores || block == hooks::BlockPoint::Pattern;
    const int64_t sourceRows = out.source.size(0) * out.source.size(attention ? 2 : 1);
    out.rows = readIndices(environment, property(env(), object, "rows"), limits.rows, "rows");
    out.sourceRows =
        readIndices(environment, property(env(), object, "sourceRows"), sourceRows, "sourceRows");
    if (out.rows.size() != out.sourceRows.size()) {
      throw Error(code::kShape, concat("patch: expected ", out.rows.size(), " source rows, got ",
                                       out.sourceRows.size()));
    }
    if (napi_value heads = optionalProperty(env(), object, "heads")) {
      const int64_t count = out.source.dim() < 4 ? 0
                            : attention          ? out.source.size(1)
                                                 : out.source.size(2);
      out.heads = readIndices(environment, heads, count, "heads");
    }
    return out;
  }
};

template <typename Visit>
void forEach(napi_env env, napi_value object, const char* name, Visit visit) {
  napi_value list = optionalProperty(env, object, name);
  if (list == nullptr) return;
  uint32_t length = 0;
  napi_get_array_length(env, list, &length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    visit(element);
  }
}

}  // namespace

int readPoint(Environment& environment, napi_value object, const char* name,
              const RunLimits& limits) {
  const int64_t point = readInt(environment.env(), property(environment.env(), object, name));
  if (point < 0 || point >= limits.points) {
    throw Error(code::kArgument, concat("forward: expected a hook point id in 0 ≤ id < ",
                                        limits.points, " for ", name, ", got ", point));
  }
  return static_cast<int>(point);
}

CoderPtr readCoder(Environment& environment, napi_value object, const RunLimits& limits) {
  CoderPtr coder = environment.handles().coder(property(environment.env(), object, "coder"));
  if (coder->device() == limits.device) return coder;
  throw Error(code::kDevice, concat("forward: expected a coder on ", deviceName(limits.device),
                                    ", got one on ", deviceName(coder->device())));
}

std::vector<int32_t> readIndices(Environment& environment, napi_value array, int64_t below,
                                 const char* what) {
  const Int32View view = readInt32Array(environment.env(), array);
  for (size_t i = 0; i < view.size; ++i) {
    if (view.data[i] < 0 || view.data[i] >= below) {
      throw Error(code::kArgument, concat("forward: expected 0 ≤ index < ", below, " in ", what,
                                          ", got ", view.data[i]));
    }
  }
  return {view.data, view.data + view.size};
}

int32_t readFeature(Environment& environment, napi_value object,
                    const coder::JumpReluCoder& coder) {
  const int64_t feature =
      readInt(environment.env(), property(environment.env(), object, "feature"));
  if (feature < 0 || feature >= coder.dSae()) {
    throw Error(code::kArgument, concat("forward: expected a feature in 0 ≤ id < ", coder.dSae(),
                                        ", got ", feature));
  }
  return static_cast<int32_t>(feature);
}

intervene::Interventions readInterventions(Environment& environment, napi_value request,
                                           const RunLimits& limits) {
  const Reader reader{environment, limits};
  napi_env env = environment.env();
  intervene::Interventions out;
  forEach(env, request, "coders",
          [&](napi_value object) { out.splices.push_back(reader.splice(object)); });
  forEach(env, request, "interventions", [&](napi_value object) {
    const std::string kind = readString(env, property(env, object, "kind"));
    if (kind == "feature") return out.list.push_back(reader.feature(object));
    if (kind == "steer") return out.list.push_back(reader.steer(object));
    if (kind == "project") return out.list.push_back(reader.project(object));
    if (kind == "patch") return out.list.push_back(reader.patch(object));
    throw Error(code::kArgument, "forward: expected feature, steer, project or patch, got " + kind);
  });
  return out;
}

}  // namespace gemlens::binding
