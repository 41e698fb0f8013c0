#include <limits>
#include <memory>

#include "base/device.h"
#include "base/dtype.h"
#include "binding/features.h"
#include "binding/parse.h"
#include "binding/sources.h"
#include "binding/tasks.h"
#include "binding/tensors.h"
#include "coder/load_coder.h"

namespace gemlens::binding {
namespace {

std::vector<coder::Site> parseSites(napi_env env, napi_value list) {
  std::vector<coder::Site> sites;
  forEach(env, list, [&](napi_value object) {
    const int64_t point = parseInt(env, property(env, object, "point"));
    const int64_t width = parseInt(env, property(env, object, "width"));
    if (point < 0 || point >= std::numeric_limits<int32_t>::max() || width < 1) {
      throw Error(code::kArgument, concat("coder: expected a hook point's id and a width, got ",
                                          point, " and ", width));
    }
    sites.push_back({static_cast<int>(point), width});
  });
  return sites;
}

std::vector<int32_t> parseInt32s(napi_env env, napi_value array) {
  const Int32View view = parseInt32Array(env, array);
  return {view.data, view.data + view.size};
}

coder::EncoderSources parseEncoder(napi_env env, napi_value object) {
  coder::EncoderSources out;
  out.wEnc = parseSource(env, property(env, object, "W_enc"));
  out.bEnc = parseSource(env, property(env, object, "b_enc"));
  if (napi_value order = optionalProperty(env, object, "byFeature"))
    out.wEncByFeature = parseBool(env, order);
  if (napi_value threshold = optionalProperty(env, object, "threshold"))
    out.threshold = parseSource(env, threshold);
  out.wDec = parseSource(env, property(env, object, "W_dec"));
  out.writesAt = parseInt32s(env, property(env, object, "writesAt"));
  if (napi_value edits = optionalProperty(env, object, "editsAt"))
    out.editsAt = parseInt32s(env, edits);
  return out;
}

coder::DecoderSources parseDecoder(napi_env env, napi_value object) {
  coder::DecoderSources out;
  out.bDec = parseSource(env, property(env, object, "b_dec"));
  if (napi_value skip = optionalProperty(env, object, "skip")) {
    out.skip = parseSource(env, skip);
    const int64_t read = parseInt(env, property(env, object, "skipRead"));
    if (read < 0) throw Error(code::kArgument, concat("coder: expected a read site, got ", read));
    out.skipRead = static_cast<size_t>(read);
  }
  return out;
}

napi_value coderLoad(Arguments& args) {
  napi_env env = args.env();
  auto sources = std::make_shared<coder::CoderSources>();
  sources->reads = parseSites(env, property(env, args[0], "reads"));
  sources->writes = parseSites(env, property(env, args[0], "writes"));
  forEach(env, property(env, args[0], "encoders"),
          [&](napi_value object) { sources->encoders.push_back(parseEncoder(env, object)); });
  forEach(env, property(env, args[0], "decoders"),
          [&](napi_value object) { sources->decoders.push_back(parseDecoder(env, object)); });
  sources->encoderScale = parseNumber(env, property(env, args[1], "encoderScale"));
  sources->decoderScale = parseNumber(env, property(env, args[1], "decoderScale"));
  sources->subtractsBDec = parseBool(env, property(env, args[1], "subtractsBDec"));
  sources->transposeSkip = parseBool(env, property(env, args[1], "transposeSkip"));
  if (napi_value bytes = optionalProperty(env, args[1], "maxDecoderBytes"))
    sources->maxDecoderBytes = parseInt(env, bytes);
  sources->device = deviceFromName(parseString(env, property(env, args[2], "device")));
  sources->dtype = parseString(env, property(env, args[2], "dtype"));
  if (sources->dtype != "auto") dtypeFromName(sources->dtype);
  Environment& environment = args.environment;
  environment.handles().beforeLoad();
  return submit(environment, sources->device, parseContext(args, 3),
                [sources, &environment](const CancelToken& token) -> Finish {
                  return finishHandle(environment, CoderPtr(coder::loadCoder(*sources, token)));
                });
}

napi_value coderParameter(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const std::string name = parseString(args.env(), args[1]);
  const int64_t read = parseInt(args.env(), args[2]), write = parseInt(args.env(), args[3]);
  const napi_value handle = args.handles().create(
      coder->parameter(name, static_cast<size_t>(read), static_cast<size_t>(write)));
  args.handles().freeze(handle);
  return handle;
}

napi_value coderDecoderRow(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const int64_t feature = parseInt(args.env(), args[1]), write = parseInt(args.env(), args[2]);
  const napi_value handle = args.handles().create(
      coder->decoderRow(static_cast<int32_t>(feature), static_cast<size_t>(write)));
  args.handles().freeze(handle);
  return handle;
}

// One tensor for each site; empty if the argument is missing.
std::vector<Tensor> parseTensors(Arguments& args, size_t index) {
  if (args.absent(index)) return {};
  return parse<std::vector<Tensor>>(args.environment, args[index]);
}

Finish finishTensors(Environment& environment, std::vector<Tensor> tensors) {
  return [&environment, tensors = std::move(tensors)](napi_env env) {
    napi_value list = nullptr;
    napi_create_array_with_length(env, tensors.size(), &list);
    for (size_t i = 0; i < tensors.size(); ++i)
      napi_set_element(env, list, static_cast<uint32_t>(i),
                       environment.handles().create(tensors[i]));
    return list;
  };
}

napi_value coderEncode(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const std::vector<Tensor> xs = parseTensors(args, 1);
  std::optional<std::vector<int32_t>> only;
  if (!args.absent(2)) {
    const Int32View ids = parseInt32Array(args.env(), args[2]);
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
    const BytesView mask = parseTypedArray(args.env(), args[3]);
    real = empty({static_cast<int64_t>(mask.bytes)}, c10::kBool);
    bool* out = real.mutable_data_ptr<bool>();
    for (size_t i = 0; i < mask.bytes; ++i) out[i] = mask.data[i] != 0;
  }
  Environment& environment = args.environment;
  return submit(environment, coder->device(), parseContext(args, 4),
                [coder, xs, only, real, &environment](const CancelToken&) -> Finish {
                  const Tensor rows = real.defined() ? real.to(coder->device()) : real;
                  return finishFeatures(environment, only ? coder->encodeOnly(xs, *only, rows)
                                                          : coder->encode(xs, rows));
                },
                {xs, {}});
}

napi_value coderDecode(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const FeaturesPtr features = args.handles().features(args[1]);
  const std::vector<Tensor> xs = parseTensors(args, 2);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), parseContext(args, 3),
                [coder, features, xs, &environment](const CancelToken&) -> Finish {
                  return finishTensors(environment, coder->decode(*features, xs));
                },
                {xs, {}});
}

napi_value coderForward(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const std::vector<Tensor> xs = parseTensors(args, 1);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), parseContext(args, 2),
                [coder, xs, &environment](const CancelToken&) -> Finish {
                  return finishTensors(environment, coder->forward(xs));
                },
                {xs, {}});
}

napi_value coderApplyEdit(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const std::vector<Tensor> bases = parseTensors(args, 1);
  const FeaturesPtr before = args.handles().features(args[2]),
                    after = args.handles().features(args[3]);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), parseContext(args, 4),
                [coder, bases, before, after, &environment](const CancelToken&) -> Finish {
                  return finishTensors(environment, coder->applyEdit(bases, *before, *after));
                },
                {bases, {}});
}

napi_value coderDots(Arguments& args) {
  const CoderPtr coder = args.handles().coder(args[0]);
  const FeaturesPtr features = args.handles().features(args[1]);
  const std::vector<Tensor> gs = parseTensors(args, 2);
  Environment& environment = args.environment;
  return submit(environment, coder->device(), parseContext(args, 3),
                [coder, features, gs, &environment](const CancelToken&) -> Finish {
                  return finishFeatures(environment,
                                        coder->dots(*features, gs, coder::WriteSites::Edited));
                },
                {gs, {}});
}

}  // namespace

void exportCoders(Environment& environment, napi_value exports) {
  define<coderLoad>(environment, exports, "coderLoad");
  define<coderParameter>(environment, exports, "coderParameter");
  define<coderDecoderRow>(environment, exports, "coderDecoderRow");
  define<coderEncode>(environment, exports, "coderEncode");
  define<coderDecode>(environment, exports, "coderDecode");
  define<coderForward>(environment, exports, "coderForward");
  define<coderApplyEdit>(environment, exports, "coderApplyEdit");
  define<coderDots>(environment, exports, "coderDots");
}

}  // namespace gemlens::binding
