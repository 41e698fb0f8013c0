// Checks a request before anything is queued. Callers have checked their users' input; these checks
// keep a wrong request an error instead of a crash.
#pragma once

#include "run/request.h"

namespace gemlens::run {

// Throws ARGUMENT, SHAPE, DTYPE or DEVICE.
void check(const Request& request);

// Parts of it, for the requests of outcomes.

// `name`: what the request calls it.
void checkPoint(const Request& request, int32_t point, const char* name);
void checkPoints(const Request& request, const std::vector<int32_t>& points);
// Its device and the points of its sites.
void checkCoder(const Request& request, const coder::Coder& coder);
void checkFeature(int32_t feature, const coder::Coder& coder);
// Rows of the flattened batch · positions.
void checkRows(const Request& request, const std::vector<int32_t>& rows, const char* name);

}  // namespace gemlens::run
