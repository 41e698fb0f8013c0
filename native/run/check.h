// Checks a request before anything is queued. TypeScript has already checked the user's input;
// these checks turn a wrong request into an error instead of a crash.
#pragma once

#include "run/request.h"

namespace gemlens::run {

// Throws ARGUMENT, SHAPE, DTYPE or DEVICE.
void check(const Request& request);

// Checks of single parts, for the requests of outcomes.

// `name` is the request's field.
void checkPoint(const Request& request, int32_t point, const char* name);
void checkPoints(const Request& request, const std::vector<int32_t>& points);
// Checks the coder's device and the points of its sites.
void checkCoder(const Request& request, const coder::Coder& coder);
void checkFeature(int32_t feature, const coder::Coder& coder);
// `rows` index the flattened batch · positions.
void checkRows(const Request& request, const std::vector<int32_t>& rows, const char* name);

}  // namespace gemlens::run
