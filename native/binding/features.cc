#include "binding/features.h"

#include <algorithm>
#include <memory>

#include "base/device.h"
#include "binding/tensors.h"
#include "binding/write.h"

namespace gemlens::binding {
namespace {

using coder::EditOp;
using coder::Features;

// The compressed rows as typed arrays that JavaScript owns.
napi_value writeRows(napi_env env, HandleTable& handles, const ops::SparseRows& rows) {
  return ObjectWriter(env)
      .set("indptr", handles.ownedArray(rows.indptr))
      .set("indices", handles.ownedArray(rows.indices))
      .set("values", handles.ownedArray(rows.values))
      .value();
}

ops::SparseRows copyOutRows(const ops::SparseRows& rows) {
  return {copyOut(rows.indptr), copyOut(rows.indices), copyOut(rows.values)};
}

napi_value featuresRead(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), parseContext(args, 1),
                [features, &environment](const CancelToken&) -> Finish {
                  return [rows = copyOutRows(features->rows), &environment](napi_env env) {
                    return writeRows(env, environment.handles(), rows);
                  };
                });
}

napi_value featuresToDense(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), parseContext(args, 1),
                [features, &environment](const CancelToken&) -> Finish {
                  return finishHandle(environment, coder::toDense(*features));
                });
}

EditOp editOp(const std::string& name) {
  if (name == "set") return EditOp::Set;
  if (name == "add") return EditOp::Add;
  if (name == "zero") return EditOp::Zero;
  throw Error(code::kArgument, "edit: expected set, add or zero, got " + name);
}

coder::FeatureEdit parseEdit(napi_env env, napi_value object, const Features& features) {
  coder::FeatureEdit edit;
  edit.op = editOp(parseString(env, property(env, object, "op")));
  const int64_t id = parseInt(env, property(env, object, "feature"));
  if (id < 0 || id >= features.dSae) {
    throw Error(code::kArgument,
                concat("edit: expected a feature in 0 ≤ id < ", features.dSae, ", got ", id));
  }
  edit.feature = static_cast<int32_t>(id);
  edit.value = static_cast<float>(parseNumber(env, property(env, object, "value")));
  if (napi_value rows = optionalProperty(env, object, "rows")) {
    const Int32View view = parseInt32Array(env, rows);
    edit.allRows = false;
    edit.rows.assign(view.data, view.data + view.size);
    for (const int32_t row : edit.rows) {
      if (row < 0 || row >= features.rowCount()) {
        throw Error(code::kArgument, concat("edit: expected a row in 0 ≤ row < ",
                                            features.rowCount(), ", got ", row));
      }
    }
  }
  return edit;
}

std::vector<coder::FeatureEdit> parseEdits(napi_env env, napi_value list,
                                           const coder::Features& features) {
  uint32_t length = 0;
  if (napi_get_array_length(env, list, &length) != napi_ok)
    throw Error(code::kArgument, "edit: expected an array");
  std::vector<coder::FeatureEdit> edits;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    edits.push_back(parseEdit(env, element, features));
  }
  return edits;
}

napi_value featuresEdit(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  auto edits = parseEdits(args.env(), args[1], *features);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), parseContext(args, 2),
                [features, edits = std::move(edits), &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment, coder::editFeatures(*features, edits));
                });
}

// Runs on the calling thread, as reads of small tensors do, and applies the edits.
napi_value featuresReadSync(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  const auto edits = parseEdits(args.env(), args[1], *features);
  const auto rows = edits.empty() ? features->rows : coder::editFeatures(*features, edits).rows;
  return writeRows(args.env(), args.handles(), copyOutRows(rows));
}

// The number of rows of `shape`; -1 if a size is negative or the product overflows.
int64_t rowsOf(const std::vector<int64_t>& shape) {
  int64_t rows = 1, most = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(most, std::max<int64_t>(size, 1), &most)) return -1;
    rows *= size;
  }
  return rows;
}

napi_value featuresSlice(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  const int64_t begin = parseInt(args.env(), args[1]), end = parseInt(args.env(), args[2]);
  const std::vector<int64_t> shape = parseInts(args.env(), args[3]);
  if (begin < 0 || end < begin || end > features->rowCount() || rowsOf(shape) != end - begin) {
    throw Error(code::kShape, concat("slice: expected 0 ≤ begin ≤ end ≤ ", features->rowCount(),
                                     " and a shape of end − begin rows, got ", begin, ", ", end,
                                     ", ", formatShape(shape)));
  }
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), parseContext(args, 4),
                [features, begin, end, shape, &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment,
                                        coder::sliceRows(*features, begin, end, shape));
                });
}

napi_value writeShared(Environment& environment, const FeaturesPtr& features) {
  napi_env env = environment.env();
  return ObjectWriter(env)
      .set("handle", environment.handles().create(features))
      .set("shape", toJs(env, features->shape))
      .set("nnz", toJs(env, static_cast<double>(features->nnz())))
      .set("dSae", toJs(env, static_cast<double>(features->dSae)))
      .set("device", toJs(env, deviceName(features->rows.indptr.device())))
      .value();
}

}  // namespace

napi_value writeFeatures(Environment& environment, Features&& features) {
  return writeShared(environment, std::make_shared<const Features>(std::move(features)));
}

Finish finishFeatures(Environment& environment, Features features) {
  return [&environment, shared = std::make_shared<const Features>(std::move(features))](napi_env) {
    return writeShared(environment, shared);
  };
}

void exportFeatures(Environment& environment, napi_value exports) {
  define<featuresSlice>(environment, exports, "featuresSlice");
  define<featuresRead>(environment, exports, "featuresRead");
  define<featuresReadSync>(environment, exports, "featuresReadSync");
  define<featuresToDense>(environment, exports, "featuresToDense");
  define<featuresEdit>(environment, exports, "featuresEdit");
}

}  // namespace gemlens::binding
