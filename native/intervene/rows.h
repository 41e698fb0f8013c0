// Changes rows of an activation. Here, a row is one position of the batch with all its heads:
// [batch, pos, ..] as [batch · pos, width].
#pragma once

#include <c10/core/GradMode.h>

#include "base/aten.h"

namespace gemlens::intervene {

// Without gradients, an action may write to its tensor (hooks::Action::mayWrite). So a sweep of
// many one-row interventions does not copy the batch for each.
inline bool writesInPlace() { return !c10::GradMode::is_enabled(); }

// x as [batch · pos, width]. Throws SHAPE unless each position has `width` numbers.
Tensor asRows(const Tensor& x, int64_t width);
// These rows of x ([n] int64; undefined: all), in the accumulation type.
Tensor takeRows(const Tensor& x, int64_t width, const Tensor& rows);
// x with delta [n or 1, width] added to these rows, in x's shape and type. Other rows keep their
// bits. If `inPlace`, the result may be x itself.
Tensor addToRows(const Tensor& x, int64_t width, const Tensor& rows, const Tensor& delta,
                 bool inPlace);

}  // namespace gemlens::intervene
