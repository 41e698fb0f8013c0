#include "binding/readout.h"

#include "binding/interventions.h"
#include "binding/tasks.h"
#include "binding/typed_array.h"
#include "model/readout.h"

namespace gemlens::binding {
namespace {

napi_value modelReadout(Arguments& args) {
  napi_env env = args.env();
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  checkResidual("readout", model, x);
  const int64_t vocabulary = model->config().dVocab;
  model::ReadoutOptions options;
  options.finalNorm = readBool(env, property(env, args[2], "finalNorm"));
  options.softCap = readBool(env, property(env, args[2], "softCap"));
  options.topK = readInt(env, property(env, args[2], "topK"));
  if (options.topK < 0 || options.topK > vocabulary) {
    throw Error(code::kArgument,
                concat("readout: expected 0 ≤ topK ≤ ", vocabulary, ", got ", options.topK));
  }
  options.targets =
      readIndices(args.environment, property(env, args[2], "targets"), vocabulary, "targets");
  return submit(args.environment, model->device(), readContext(args, 3),
                [model, x, options](const CancelToken& token) -> Finish {
                  const Tensor rows = x.reshape({-1, model->config().dModel});
                  auto result = std::make_shared<model::Readout>(
                      model::readout(*model, rows, options, token));
                  return [result](napi_env env) {
                    napi_value out = nullptr;
                    napi_create_object(env, &out);
                    const auto set = [&](const char* name, napi_value value) {
                      napi_set_named_property(env, out, name, value);
                    };
                    set("tokens", copyArray(env, result->tokens));
                    set("logits", copyArray(env, result->logits));
                    set("logprobs", copyArray(env, result->logprobs));
                    set("targetLogits", copyArray(env, result->targetLogits));
                    set("targetLogprobs", copyArray(env, result->targetLogprobs));
                    set("targetRanks", copyArray(env, result->targetRanks));
                    return out;
                  };
                },
                {{x}, {}});
}

napi_value modelCompare(Arguments& args) {
  napi_env env = args.env();
  const ModelPtr model = args.handles().model(args[0]);
  const Int32View targets = readInt32Array(env, args[2]);
  std::vector<int32_t> next(targets.data, targets.data + targets.size);
  for (const int32_t token : next) {
    if (token < -1 || token >= model->config().dVocab) {
      throw Error(code::kArgument, concat("compare: expected a token id or −1, got ", token));
    }
  }
  std::vector<Tensor> normed;
  uint32_t count = 0;
  napi_get_array_length(env, args[1], &count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, args[1], i, &element);
    const Tensor x = args.handles().tensor(element);
    checkResidual("compare", model, x);
    const Tensor rows = x.reshape({-1, model->config().dModel}).to(model->dtype());
    if (rows.size(0) != static_cast<int64_t>(next.size())) {
      throw Error(code::kShape,
                  concat("compare: expected ", next.size(), " rows, got ", rows.size(0)));
    }
    normed.push_back(rows);
  }
  return submit(args.environment, model->device(), readContext(args, 3),
                [model, normed, next](const CancelToken& token) -> Finish {
                  auto result = std::make_shared<model::Comparison>(
                      model::compare(*model, normed, next, token));
                  return [result](napi_env env) {
                    napi_value out = nullptr;
                    napi_create_object(env, &out);
                    napi_set_named_property(env, out, "loss", copyArray(env, result->loss));
                    napi_set_named_property(env, out, "kl", copyArray(env, result->kl));
                    return out;
                  };
                },
                {normed, {}});
}

}  // namespace

void exportReadout(Environment& environment, napi_value exports) {
  define<modelReadout>(environment, exports, "modelReadout");
  define<modelCompare>(environment, exports, "modelCompare");
}

}  // namespace gemlens::binding
