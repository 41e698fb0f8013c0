// Reads splices and interventions of a run request.
#pragma once

#include "binding/arguments.h"
#include "intervene/interventions.h"

namespace gemlens::binding {

// What the numbers of a request must lie below.
struct RunLimits {
  int points = 0;
  int64_t rows = 0;  // batch · positions
  c10::Device device = c10::kCPU;
};

// Throws ARGUMENT, SHAPE, DEVICE, DISPOSED before anything is queued.
intervene::Interventions readInterventions(Environment& environment, napi_value request,
                                           const RunLimits& limits);

// An id of a hook point, a coder on the run's device, rows, a feature id: checked.
int readPoint(Environment& environment, napi_value object, const char* name,
              const RunLimits& limits);
CoderPtr readCoder(Environment& environment, napi_value object, const RunLimits& limits);
std::vector<int32_t> readIndices(Environment& environment, napi_value array, int64_t below,
                                 const char* what);
int32_t readFeature(Environment& environment, napi_value object, const coder::JumpReluCoder& coder);

}  // namespace gemlens::binding
