#include "binding/run_request.h"

#include "binding/interventions.h"

namespace gemlens::binding {
namespace {

run::Draw parseDraw(const ObjectParser& in) {
  run::Draw draw;
  draw.sampling.temperature = in.get<double>("temperature");
  draw.sampling.topK = in.get<int64_t>("topK");
  draw.sampling.topP = in.get<double>("topP");
  draw.sampling.repetitionPenalty = in.get<double>("repetitionPenalty");
  draw.sampling.seed = static_cast<uint64_t>(in.get<int64_t>("seed"));
  in.into("ended", draw.sampling.ended);
  draw.history = in.optional<std::vector<int32_t>>("history");
  if (draw.history) draw.historyStarts = in.get<std::vector<int32_t>>("historyPtr");
  return draw;
}

}  // namespace

run::Request parseRequest(Arguments& args, const TaskContext& context) {
  run::Request request;
  request.model = args.handles().model(args[0]);
  args.environment.checkNotInsideOwnHook(context.call, request.model.get());
  const ObjectParser in(args.environment, args[1]);
  request.batch = in.get<int64_t>("batch");
  request.pos = in.get<int64_t>("pos");
  request.tokens = in.optional<std::vector<int32_t>>("tokens");
  in.into("resid", request.resid);
  request.mask = in.optional<std::vector<uint8_t>>("mask");
  request.startLayer = in.get<int32_t>("startLayer");
  request.stopLayer = in.get<int32_t>("stopLayer");
  request.output = run::outputFromName(in.get<std::string>("output"));
  request.columns = in.optional<std::vector<int32_t>>("columns");
  request.cache = in.get<std::vector<int32_t>>("cache");
  request.hooks = in.get<std::vector<int32_t>>("hooks");
  in.forEach("features", [&](const ObjectParser& item) {
    request.features.push_back(item.get<CoderPtr>("coder"));
  });
  if (const auto edits = in.optionalObject("edits"))
    request.interventions = parseInterventions(*edits);
  in.into("step", request.step);
  in.into("kv", request.kv);
  if (const auto draw = in.optionalObject("sample")) request.draw = parseDraw(*draw);
  run::check(request);
  return request;
}

}  // namespace gemlens::binding
