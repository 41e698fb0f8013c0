#include "intervene/rows.h"

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::intervene {

Tensor takeRows(const Tensor& x, int64_t width, const Tensor& rows) {
  if (x.numel() % width != 0) {
    throw Error(code::kShape,
                concat("intervention: expected rows of ", width, ", got ", formatShape(x.sizes())));
  }
  const Tensor all = x.reshape({-1, width});
  return (rows.defined() ? all.index_select(0, rows) : all).to(wideType(x.scalar_type()));
}

Tensor addToRows(const Tensor& x, int64_t width, const Tensor& rows, const Tensor& delta) {
  const Tensor all = x.reshape({-1, width});
  const auto type = wideType(x.scalar_type());
  if (!rows.defined()) return all.to(type).add(delta).to(x.scalar_type()).view(x.sizes());
  const Tensor changed = all.index_select(0, rows).to(type).add(delta).to(x.scalar_type());
  return all.index_copy(0, rows, changed).view(x.sizes());
}

}  // namespace gemlens::intervene
