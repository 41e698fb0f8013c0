// Changing some rows of an activation. A row is one position of one row of the batch with all its
// heads: [batch, pos, ..] as [batch · pos, width]. Nothing is done in place, so that a gradient can
// go through and a cached entry stays.
#pragma once

#include "base/aten.h"

namespace gemlens::intervene {

// x as [batch · pos, width]. Throws SHAPE where its positions are not that wide.
Tensor asRows(const Tensor& x, int64_t width);
// `rows` of that ([n] int64; undefined: all), in the type that sums are made in.
Tensor takeRows(const Tensor& x, int64_t width, const Tensor& rows);
// x with delta [n or 1, width] added to these rows, in x's shape and type; others bit for bit.
Tensor addToRows(const Tensor& x, int64_t width, const Tensor& rows, const Tensor& delta);

}  // namespace gemlens::intervene
