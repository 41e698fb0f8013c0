#include "run/check.h"

#include <limits>

#include "base/device.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/indices.h"

namespace gemlens::run {
namespace {

int pointCount(const Request& request) {
  return hooks::pointCount(request.model->config().layerCount());
}

void checkResidual(const Request& request) {
  const auto& model = *request.model;
  const Tensor& resid = request.resid;
  const Shape expected{request.batch, request.pos, model.config().dModel};
  if (resid.sizes() != at::IntArrayRef(expected)) {
    throw Error(code::kShape,
                concat("forward: expected ", formatShape(expected), " for the residual, got ",
                       formatShape(resid.sizes())),
                {{"expected", expected}, {"got", resid.sizes().vec()}});
  }
  if (resid.scalar_type() != model.dtype()) {
    throw Error(code::kDtype, concat("forward: expected a residual of ", dtypeName(model.dtype()),
                                     ", got ", dtypeName(resid.scalar_type())));
  }
  if (resid.device() != model.device()) {
    throw Error(code::kDevice,
                concat("forward: expected a residual on ", deviceName(model.device()), ", got ",
                       deviceName(resid.device())));
  }
}

void checkTokens(const Request& request) {
  const int64_t count = request.batch * request.pos, dVocab = request.model->config().dVocab;
  const auto& ids = *request.tokens;
  if (static_cast<int64_t>(ids.size()) != count) {
    throw Error(code::kShape, concat("forward: expected ", count, " token ids, got ", ids.size()));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    if (id >= 0 && id < dVocab) continue;
    throw Error(code::kArgument,
                concat("forward: expected token ids in 0 ≤ id < ", dVocab, ", got ", id, " at [",
                       i / request.pos, ", ", i % request.pos, "]"),
                {{"got", static_cast<double>(id)}, {"dVocab", static_cast<double>(dVocab)}});
  }
}

void checkInput(const Request& request) {
  if (request.batch < 1 || request.pos < 1) {
    throw Error(code::kArgument,
                concat("forward: expected at least one row and one position, got [", request.batch,
                       ", ", request.pos, "]"));
  }
  if (request.pos > std::numeric_limits<int32_t>::max() / request.batch) {
    throw Error(code::kArgument, concat("forward: expected fewer than 2³¹ positions in all, got [",
                                        request.batch, ", ", request.pos, "]"));
  }
  if (request.resid.defined()) checkResidual(request);
  if (request.tokens) {
    checkTokens(request);
  } else if (!request.resid.defined()) {
    throw Error(code::kArgument, "forward: expected tokens or a residual, got neither");
  }
  const int64_t count = request.batch * request.pos;
  if (request.mask && static_cast<int64_t>(request.mask->size()) != count) {
    throw Error(code::kShape,
                concat("forward: expected a mask of ", count, ", got ", request.mask->size()));
  }
}

void checkStages(const Request& request) {
  const int layers = request.model->config().layerCount();
  if (request.startLayer < 0 || request.stopLayer > layers ||
      request.startLayer > request.stopLayer) {
    throw Error(code::kArgument, concat("forward: expected 0 ≤ startLayer ≤ stopLayer ≤ ", layers,
                                        ", got ", request.startLayer, " and ", request.stopLayer));
  }
  if (request.output == model::Output::Loss && (!request.tokens || request.pos < 2)) {
    throw Error(code::kArgument, "loss: expected at least two tokens per row");
  }
}

void checkColumns(const Request& request) {
  if (!request.columns) return;
  if (static_cast<int64_t>(request.columns->size()) % request.batch != 0) {
    throw Error(code::kArgument, "forward: expected the same number of columns for each row");
  }
  checkIndices("forward", *request.columns, request.pos, "columns");
}

void checkHistory(const Request& request, const Draw& draw) {
  const auto& starts = draw.historyStarts;
  if (static_cast<int64_t>(starts.size()) != request.batch + 1) {
    throw Error(code::kArgument, "generate: expected batch + 1 entries in historyPtr");
  }
  const auto isToken = [&](int64_t i) {
    if (i < 0 || static_cast<size_t>(i) >= draw.history->size()) return false;
    const int32_t token = (*draw.history)[static_cast<size_t>(i)];
    return token >= 0 && token < request.model->config().dVocab;
  };
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    for (int64_t i = starts[row]; i < starts[row + 1]; ++i) {
      if (!isToken(i)) throw Error(code::kArgument, "generate: expected a history of token ids");
    }
  }
}

void checkDraw(const Request& request) {
  if (!request.draw) return;
  const ops::Sampling& sampling = request.draw->sampling;
  if (!(sampling.temperature >= 0) || sampling.topK < 0 ||
      !(sampling.topP > 0 && sampling.topP <= 1) || !(sampling.repetitionPenalty > 0)) {
    throw Error(code::kArgument, concat("generate: expected temperature ≥ 0, topK ≥ 0, 0 < topP ≤ "
                                        "1, repetitionPenalty > 0, got ",
                                        sampling.temperature, ", ", sampling.topK, ", ",
                                        sampling.topP, ", ", sampling.repetitionPenalty));
  }
  if (request.draw->history) checkHistory(request, *request.draw);
  const size_t ended = sampling.ended.size();
  if (ended != 0 && static_cast<int64_t>(ended) != request.batch) {
    throw Error(code::kShape,
                concat("generate: expected ", request.batch, " rows for ended, got ", ended));
  }
}

// Checks one intervention of a run.
struct CheckIntervention {
  const Request& request;

  void rows(const intervene::Rows& rows) const {
    if (rows) checkRows(request, *rows, "rows");
  }
  void operator()(const intervene::ChangeFeature& edit) const {
    checkCoder(request, *edit.coder);
    checkFeature(edit.change.feature, *edit.coder);
    if (!edit.change.allRows) checkRows(request, edit.change.rows, "rows");
  }
  void operator()(const intervene::Steer& steer) const {
    checkPoint(request, steer.point, "point");
    rows(steer.rows);
  }
  void operator()(const intervene::Project& project) const {
    checkPoint(request, project.point, "point");
    rows(project.rows);
  }
  void operator()(const intervene::Patch& patch) const {
    checkPoint(request, patch.point, "point");
    const Tensor& source = patch.source;
    if (source.dim() < 3) {
      throw Error(code::kShape, concat("patch: expected [batch, pos, ..] for source, got ",
                                       formatShape(source.sizes())));
    }
    const bool attention = hooks::isAttention(patch.point);
    checkRows(request, patch.rows, "rows");
    checkIndices("patch", patch.sourceRows, source.size(0) * source.size(attention ? 2 : 1),
                 "sourceRows");
    if (patch.rows.size() != patch.sourceRows.size()) {
      throw Error(code::kShape, concat("patch: expected ", patch.rows.size(), " source rows, got ",
                                       patch.sourceRows.size()));
    }
    if (!patch.heads) return;
    const int64_t heads = source.dim() < 4 ? 0 : source.size(attention ? 1 : 2);
    checkIndices("patch", *patch.heads, heads, "heads");
  }
};

void checkInterventions(const Request& request) {
  for (const intervene::SpliceOptions& splice : request.interventions.splices) {
    checkCoder(request, *splice.coder);
    checkRows(request, splice.skipRows, "skipRows");
  }
  for (const auto& intervention : request.interventions.list)
    std::visit(CheckIntervention{request}, intervention);
}

void checkKeyValueCache(const Request& request) {
  if (!request.kv) return;
  const auto& model = *request.model;
  if (!request.kv->matches(model.config(), model.dtype(), model.device())) {
    throw Error(code::kArgument,
                "forward: expected a key-value cache of this model, got another's");
  }
  if (request.kv->batch() != request.batch) {
    throw Error(code::kShape, concat("forward: expected ", request.kv->batch(),
                                     " rows for this key-value cache, got ", request.batch));
  }
}

}  // namespace

void check(const Request& request) {
  checkInput(request);
  checkStages(request);
  checkPoints(request, request.cache);
  checkPoints(request, request.hooks);
  for (const auto& coder : request.features) checkCoder(request, *coder);
  checkColumns(request);
  checkDraw(request);
  checkInterventions(request);
  checkKeyValueCache(request);
}

void checkPoint(const Request& request, int32_t point, const char* name) {
  if (point >= 0 && point < pointCount(request)) return;
  throw Error(code::kArgument, concat("forward: expected a hook point id in 0 ≤ id < ",
                                      pointCount(request), " for ", name, ", got ", point));
}

void checkPoints(const Request& request, const std::vector<int32_t>& points) {
  for (const int32_t point : points) {
    if (point >= 0 && point < pointCount(request)) continue;
    throw Error(code::kArgument, concat("forward: expected a hook point id in 0 ≤ id < ",
                                        pointCount(request), ", got ", point));
  }
}

void checkCoder(const Request& request, const coder::Coder& coder) {
  for (const coder::Site& site : coder.reads()) checkPoint(request, site.point, "a coder's hook");
  for (const coder::Site& site : coder.writes()) checkPoint(request, site.point, "a coder's hook");
  const auto device = request.model->device();
  if (coder.device() == device) return;
  throw Error(code::kDevice, concat("forward: expected a coder on ", deviceName(device),
                                    ", got one on ", deviceName(coder.device())));
}

void checkFeature(int32_t feature, const coder::Coder& coder) {
  if (feature >= 0 && feature < coder.dSae()) return;
  throw Error(code::kArgument,
              concat("forward: expected a feature in 0 ≤ id < ", coder.dSae(), ", got ", feature));
}

void checkRows(const Request& request, const std::vector<int32_t>& rows, const char* name) {
  checkIndices("forward", rows, request.batch * request.pos, name);
}

}  // namespace gemlens::run
