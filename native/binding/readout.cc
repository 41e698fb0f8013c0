#include "binding/readout.h"

#include "binding/parse.h"
#include "binding/tasks.h"
#include "binding/typed_array.h"
#include "binding/write.h"
#include "model/readout.h"

namespace gemlens::binding {
namespace {

Finish finishRanks(ops::TokenRanks ranks) {
  const auto result = std::make_shared<ops::TokenRanks>(std::move(ranks));
  return [result](napi_env env) {
    return ObjectWriter(env)
        .set("tokens", copyArray(env, result->tokens))
        .set("logits", copyArray(env, result->logits))
        .set("logprobs", copyArray(env, result->logprobs))
        .set("targetLogits", copyArray(env, result->targetLogits))
        .set("targetLogprobs", copyArray(env, result->targetLogprobs))
        .set("targetRanks", copyArray(env, result->targetRanks))
        .value();
  };
}

napi_value logitsReadout(Arguments& args) {
  const Tensor logits = args.handles().tensor(args[0]);
  const ObjectParser in(args.environment, args[1]);
  const auto topK = in.get<int64_t>("topK");
  const auto targets = in.get<std::vector<int32_t>>("targets");
  ops::checkRanks(logits, topK, targets);
  return submit(args.environment, logits.device(), parseContext(args, 2),
                [logits, topK, targets](const CancelToken&) -> Finish {
                  ops::TokenRanks ranks;
                  ops::appendRanks(ranks, logits.reshape({-1, logits.size(-1)}), topK,
                                   indexTensor(targets, logits.device()), 0);
                  return finishRanks(std::move(ranks));
                },
                {{logits}, {}});
}

napi_value modelReadout(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const Tensor x = args.handles().tensor(args[1]);
  const ObjectParser in(args.environment, args[2]);
  const model::ReadoutOptions options{in.get<bool>("finalNorm"), in.get<bool>("softCap"),
                                      in.get<int64_t>("topK"),
                                      in.get<std::vector<int32_t>>("targets")};
  model::check(*model, x, options);
  return submit(args.environment, model->device(), parseContext(args, 3),
                [model, x, options](const CancelToken& token) -> Finish {
                  const Tensor rows = x.reshape({-1, model->config().dModel});
                  return finishRanks(model::readout(*model, rows, options, token));
                },
                {{x}, {}});
}

napi_value modelCompare(Arguments& args) {
  const ModelPtr model = args.handles().model(args[0]);
  const auto given = parse<std::vector<Tensor>>(args.environment, args[1]);
  const auto targets = parse<std::vector<int32_t>>(args.environment, args[2]);
  const std::vector<Tensor> normed = model::checkCompared(*model, given, targets);
  return submit(args.environment, model->device(), parseContext(args, 3),
                [model, normed, targets](const CancelToken& token) -> Finish {
                  auto result = std::make_shared<model::Comparison>(
                      model::compare(*model, normed, targets, token));
                  return [result](napi_env env) {
                    return ObjectWriter(env)
                        .set("loss", copyArray(env, result->loss))
                        .set("kl", copyArray(env, result->kl))
                        .value();
                  };
                },
                {normed, {}});
}

}  // namespace

void exportReadout(Environment& environment, napi_value exports) {
  define<logitsReadout>(environment, exports, "logitsReadout");
  define<modelReadout>(environment, exports, "modelReadout");
  define<modelCompare>(environment, exports, "modelCompare");
}

}  // namespace gemlens::binding
