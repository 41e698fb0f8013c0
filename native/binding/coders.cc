#include <algorithm>
#include <memory>

#include "base/device.h"
#include "base/dtype.h"
#include "binding/sources.h"
#include "binding/tasks.h"
#include "binding/tensors.h"
#include "checkpoint/finite.h"
#include "coder/features.h"
#include "coder/jump_relu_coder.h"

namespace gemlens::binding {
namespace {

using checkpoint::WeightSource;
using coder::EditOp;
using coder::Features;
using coder::JumpReluCoder;

Finish finishTensor(Environment& environment, Tensor tensor) {
  return [&environment, tensor = std::move(tensor)](napi_env) {
    return environment.handles().create(tensor);
  };
}

Finish finishFeatures(Environment& environment, Features features) {
  auto shared = std::make_shared<const Features>(std::move(features));
  return [&environment, shared](napi_env) { return environment.handles().create(shared); };
}

std::vector<Tensor> tensorsOf(const FeaturesPtr& features) {
  return {features->rows.indptr, features->rows.indices, features->rows.values};
}

struct CoderSources {
  WeightSource wEnc, wDec, bEnc, bDec, threshold;
  std::optional<WeightSource> skip;
  double encoderScale = 1, decoderScale = 1;
  bool subtractsBDec = false, transposeSkip = false;
  std::string dtype;
  c10::Device device = c10::kCPU;
};

// A feature with such a parameter would be active never or always, whatever comes in.
// `featureAxis`: the dimension that counts features, -1 if none does.
void checkFinite(const Tensor& tensor, const WeightSource& source, const char* name,
                 int featureAxis) {
  const int64_t at = checkpoint::firstNotFinite(tensor);
  if (at < 0) return;
  const bool matrix = tensor.dim() == 2;
  const int64_t columns = matrix ? tensor.size(1) : 1;
  const int64_t index[] = {at / columns, at % columns};
  const std::string element =
      matrix ? concat("[", index[0], ", ", index[1], "]") : concat("[", at, "]");
  const std::string feature =
      featureAxis < 0 ? "" : concat(" (feature ", matrix ? index[featureAxis] : at, ")");
  throw Error(
      code::kCheckpoint,
      concat(source.file.empty() ? "coder" : source.file, ": expected finite numbers for ", name,
             ", got ", tensor.reshape(-1)[at].item<float>(), " at ", element, feature),
      {{"file", source.file}, {"tensor", std::string(name)}});
}

std::shared_ptr<const JumpReluCoder> loadCoder(const CoderSources& sources,
                                               const CancelToken& token) {
  checkpoint::MappedFiles files;
  for (const auto* source :
       {&sources.wEnc, &sources.wDec, &sources.bEnc, &sources.bDec, &sources.threshold}) {
    checkpoint::checkWithinFile(*source, files);
  }
  if (sources.skip) checkpoint::checkWithinFile(*sources.skip, files);
  // "auto" is W_enc's own type for all, as one product cannot mix two; but float64 (as numpy writes
  // by default) is float32 to every reader.
  auto type = dtypeOnDevice(sources.wEnc.type, sources.dtype, sources.device.is_cpu());
  if (type == c10::ScalarType::Double && sources.dtype == "auto") type = c10::kFloat;
  const auto load = [&](const WeightSource& source, const char* name, int featureAxis,
                        double scale = 1) {
    token.check();
    const Tensor tensor = checkpoint::loadTensor(source, files, type, sources.device);
    checkFinite(tensor, source, name, featureAxis);
    return scale == 1 ? tensor : tensor.mul(scale);
  };
  const Tensor wEnc = load(sources.wEnc, "W_enc", 1, sources.encoderScale);
  const Tensor wDec = load(sources.wDec, "W_dec", 0, sources.decoderScale);
  const Tensor bEnc = load(sources.bEnc, "b_enc", 0), bDec = load(sources.bDec, "b_dec", -1);
  const Tensor threshold = load(sources.threshold, "threshold", 0);
  Tensor skip = sources.skip ? load(*sources.skip, "skip", -1) : Tensor();
  if (skip.defined() && sources.transposeSkip) skip = skip.t().contiguous();
  return std::make_shared<const JumpReluCoder>(wEnc, wDec, bEnc, bDec, threshold, std::move(skip),
                                               sources.subtractsBDec);
}

napi_value coderLoad(Arguments& args) {
  napi_env env = args.env();
  auto sources = std::make_shared<CoderSources>();
  const auto source = [&](const char* name) {
    return readSource(env, property(env, args[0], name));
  };
  sources->wEnc = source("W_enc");
  sources->wDec = source("W_dec");
  sources->bEnc = source("b_enc");
  sources->bDec = source("b_dec");
  sources->threshold = source("threshold");
  if (napi_value skip = optionalProperty(env, args[0], "skip"))
    sources->skip = readSource(env, skip);
  sources->encoderScale = readNumber(env, property(env, args[1], "encoderScale"));
  sources->decoderScale = readNumber(env, property(env, args[1], "decoderScale"));
  sources->subtractsBDec = readBool(env, property(env, args[1], "subtractsBDec"));
  sources->transposeSkip = readBool(env, property(env, args[1], "transposeSkip"));
  sources->device = deviceFromName(readString(env, property(env, args[2], "device")));
  sources->dtype = readString(env, property(env, args[2], "dtype"));
  if (sources->dtype != "auto") dtypeFromName(sources->dtype);
  Environment& environment = args.environment;
  environment.handles().beforeLoad();
  return submit(environment, sources->device, readContext(args, 3),
                [sources, &environment](const CancelToken& token) -> Finish {
                  CoderPtr coder = loadCoder(*sources, token);
                  return [coder, &environment](napi_env) {
                    return environment.handles().create(coder);
                  };
                });
}

napi_value coderParameter(Arguments& args) {
  const napi_value handle = args.handles().create(
      args.handles().coder(args[0])->parameter(readString(args.env(), args[1])));
  args.handles().freeze(handle);
  return handle;
}

napi_value coderEncode(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  std::optional<std::vector<int32_t>> only;
  if (!args.absent(2)) {
    const Int32View ids = readInt32Array(args.env(), args[2]);
    only.emplace(ids.data, ids.data + ids.size);
    for (size_t i = 0; i < only->size(); ++i) {
      if ((*only)[i] < 0 || (*only)[i] >= coder->dSae() ||
          (i > 0 && (*only)[i] <= (*only)[i - 1])) {
        throw Error(code::kArgument, concat("encode: expected ascending feature ids in 0 ≤ id < ",
                                            coder->dSae(), ", got ", (*only)[i]));
      }
    }
  }
  Tensor real;
  if (!args.absent(3)) {
    const BytesView mask = readTypedArray(args.env(), args[3]);
    real = empty({static_cast<int64_t>(mask.bytes)}, c10::kBool);
    bool* out = real.mutable_data_ptr<bool>();
    for (size_t i = 0; i < mask.bytes; ++i) out[i] = mask.data[i] != 0;
  }
  Environment& environment = args.environment;
  return submit(environment, coder->device(), readContext(args, 4),
                [coder, x, only, real, &environment](const CancelToken&) -> Finish {
                  const Tensor rows = real.defined() ? real.to(coder->device()) : real;
                  return finishFeatures(environment, only ? coder->encodeOnly(x, *only, rows)
                                                          : coder->encode(x, rows));
                },
                {{x}, {}});
}

napi_value coderDecode(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const FeaturesPtr features = args.handles().features(args[1]);
  const Tensor x = args.absent(2) ? Tensor() : args.handles().tensor(args[2]);
  TaskOptions options{tensorsOf(features), {}};
  if (x.defined()) options.uses.push_back(x);
  Environment& environment = args.environment;
  return submit(
      environment, coder->device(), readContext(args, 3),
      [coder, features, x, &environment](const CancelToken&) -> Finish {
        return finishTensor(environment, coder->decode(*features, x));
      },
      std::move(options));
}

napi_value coderForward(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), readContext(args, 2),
                [coder, x, &environment](const CancelToken&) -> Finish {
                  return finishTensor(environment, coder->forward(x));
                },
                {{x}, {}});
}

napi_value coderApplyEdit(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const Tensor base = args.handles().tensor(args[1]);
  const FeaturesPtr before = args.handles().features(args[2]),
                    after = args.handles().features(args[3]);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), readContext(args, 4),
                [coder, base, before, after, &environment](const CancelToken&) -> Finish {
                  return finishTensor(environment, coder->applyEdit(base, *before, *after));
                },
                {{base}, {}});
}

napi_value featuresInfo(Arguments& args) {
  napi_env env = args.env();
  const FeaturesPtr features = args.handles().features(args[0]);
  napi_value info = nullptr;
  napi_create_object(env, &info);
  napi_set_named_property(env, info, "shape", toJs(env, features->shape));
  napi_set_named_property(env, info, "nnz", toJs(env, static_cast<double>(features->nnz())));
  napi_set_named_property(env, info, "dSae", toJs(env, static_cast<double>(features->dSae)));
  napi_set_named_property(env, info, "device",
                          toJs(env, deviceName(features->rows.indptr.device())));
  return info;
}

// The compressed rows as typed arrays of JavaScript's own.
napi_value hostRows(napi_env env, HandleTable& handles, const ops::SparseRows& rows) {
  napi_value out = nullptr;
  napi_create_object(env, &out);
  napi_set_named_property(env, out, "indptr", handles.ownedArray(rows.indptr));
  napi_set_named_property(env, out, "indices", handles.ownedArray(rows.indices));
  napi_set_named_property(env, out, "values", handles.ownedArray(rows.values));
  return out;
}

ops::SparseRows onHost(const ops::SparseRows& rows) {
  return {hostValues(rows.indptr), hostValues(rows.indices), hostValues(rows.values)};
}

napi_value featuresRead(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), readContext(args, 1),
                [features, &environment](const CancelToken&) -> Finish {
                  return [rows = onHost(features->rows), &environment](napi_env env) {
                    return hostRows(env, environment.handles(), rows);
                  };
                });
}

napi_value featuresToDense(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), readContext(args, 1),
                [features, &environment](const CancelToken&) -> Finish {
                  return finishTensor(environment, coder::toDense(*features));
                });
}

EditOp editOp(const std::string& name) {
  if (name == "set") return EditOp::Set;
  if (name == "add") return EditOp::Add;
  if (name == "zero") return EditOp::Zero;
  throw Error(code::kArgument, "edit: expected set, add or zero, got " + name);
}

coder::FeatureEdit readEdit(napi_env env, napi_value object, const Features& features) {
  coder::FeatureEdit edit;
  edit.op = editOp(readString(env, property(env, object, "op")));
  const int64_t id = readInt(env, property(env, object, "feature"));
  if (id < 0 || id >= features.dSae) {
    throw Error(code::kArgument,
                concat("edit: expected a feature in 0 ≤ id < ", features.dSae, ", got ", id));
  }
  edit.feature = static_cast<int32_t>(id);
  edit.value = static_cast<float>(readNumber(env, property(env, object, "value")));
  if (napi_value rows = optionalProperty(env, object, "rows")) {
    const Int32View view = readInt32Array(env, rows);
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

std::vector<coder::FeatureEdit> readEdits(napi_env env, napi_value list,
                                          const coder::Features& features) {
  uint32_t length = 0;
  if (napi_get_array_length(env, list, &length) != napi_ok)
    throw Error(code::kArgument, "edit: expected an array");
  std::vector<coder::FeatureEdit> edits;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    edits.push_back(readEdit(env, element, features));
  }
  return edits;
}

napi_value featuresEdit(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  auto edits = readEdits(args.env(), args[1], *features);
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), readContext(args, 2),
                [features, edits = std::move(edits), &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment, coder::editFeatures(*features, edits));
                });
}

// On the calling thread, with the edits applied, as small tensors are read.
napi_value featuresReadSync(Arguments& args) {
  const FeaturesPtr features = args.handles().features(args[0]);
  const auto edits = readEdits(args.env(), args[1], *features);
  const auto rows = edits.empty() ? features->rows : coder::editFeatures(*features, edits).rows;
  return hostRows(args.env(), args.handles(), onHost(rows));
}

// Rows of that shape; -1 where a size is negative, or all of them together do not fit.
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
  const int64_t begin = readInt(args.env(), args[1]), end = readInt(args.env(), args[2]);
  const std::vector<int64_t> shape = readInts(args.env(), args[3]);
  if (begin < 0 || end < begin || end > features->rowCount() || rowsOf(shape) != end - begin) {
    throw Error(code::kShape, concat("slice: expected 0 ≤ begin ≤ end ≤ ", features->rowCount(),
                                     " and a shape of end − begin rows, got ", begin, ", ", end,
                                     ", ", formatShape(shape)));
  }
  Environment& environment = args.environment;
  return submit(environment, features->rows.indptr.device(), readContext(args, 4),
                [features, begin, end, shape, &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment,
                                        coder::sliceRows(*features, begin, end, shape));
                });
}

napi_value coderDots(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const FeaturesPtr features = args.handles().features(args[1]);
  const Tensor g = args.handles().tensor(args[2]);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), readContext(args, 3),
                [coder, features, g, &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment, coder->dots(*features, g));
                },
                {{g}, {}});
}

}  // namespace

void exportCoders(Environment& environment, napi_value exports) {
  define<coderLoad>(environment, exports, "coderLoad");
  define<coderParameter>(environment, exports, "coderParameter");
  define<coderEncode>(environment, exports, "coderEncode");
  define<coderDecode>(environment, exports, "coderDecode");
  define<coderForward>(environment, exports, "coderForward");
  define<coderApplyEdit>(environment, exports, "coderApplyEdit");
  define<coderDots>(environment, exports, "coderDots");
  define<featuresSlice>(environment, exports, "featuresSlice");
  define<featuresInfo>(environment, exports, "featuresInfo");
  define<featuresRead>(environment, exports, "featuresRead");
  define<featuresReadSync>(environment, exports, "featuresReadSync");
  define<featuresToDense>(environment, exports, "featuresToDense");
  define<featuresEdit>(environment, exports, "featuresEdit");
}

}  // namespace gemlens::binding
