// Changing some rows of an activation. A row is one position of one row of the batch with all its
// heads: [batch, pos, ..] as [batch · pos, width].
#pragma once

#include <c10/core/GradMode.h>

#include "base/aten.h"

namespace gemlens::intervene {

// Without gradients an action's tensor is its own to write to (hooks::Action::mayWrite): a sweep of
// many interventions of a row each does not copy the batch for each.
inline bool writesInPlace() { return !c10::GradMode::is_enabled(); }

// x as [batch · pos, width]. Throws SHAPE unless each position has `width` numbers.
Tensor asRows(const Tensor& x, int64_t width);
// `rows` of that ([n] int64; undefined: all), in the type that sums are made in.
Tensor takeRows(const Tensor& x, int64_t width, const Tensor& rows);
// x with delta [n or 1, width] added to these rows, in x's shape and type; others bit for bit. With
// `inPlace` it may be x itself.
Tensor addToRows(const Tensor& x, int64_t width, const Tensor& rows, const Tensor& delta,
                 bool inPlace);

}  // namespace gemlens::intervene
