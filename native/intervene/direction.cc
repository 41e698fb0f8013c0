#include "intervene/direction.h"

#include "base/dtype.h"
#include "intervene/rows.h"

namespace gemlens::intervene {
namespace {

Tensor asRow(const Tensor& vector, const Tensor& x) {
  return vector.to(x.device(), wideType(x.scalar_type())).reshape({1, -1});
}

}  // namespace

Tensor SteerAction::apply(const Tensor& x, const hooks::Firing&) {
  const Tensor v = asRow(vector_, x);
  const int64_t width = v.size(1);
  if (!cap_) return addToRows(x, width, rows_, v.mul(coefficient_), writesInPlace());
  const Tensor length = v.norm(), unit = v.div(length);
  const Tensor missing = takeRows(x, width, rows_).matmul(unit.t()).neg().add(*cap_);
  const Tensor most = length.mul(coefficient_);
  const Tensor step =
      coefficient_ > 0 ? missing.clamp_min(0).minimum(most) : missing.clamp_max(0).maximum(most);
  return addToRows(x, width, rows_, step.mul(unit), writesInPlace());
}

Tensor ProjectAction::apply(const Tensor& x, const hooks::Firing&) {
  const Tensor v = asRow(vector_, x);
  const Tensor unit = v.div(v.norm());
  const Tensor along = takeRows(x, v.size(1), rows_).matmul(unit.t());
  return addToRows(x, v.size(1), rows_, along.neg().mul(unit), writesInPlace());
}

}  // namespace gemlens::intervene
