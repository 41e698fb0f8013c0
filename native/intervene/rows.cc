#include "intervene/rows.h"

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::intervene {

Tensor asRows(const Tensor& x, int64_t width) {
  if (x.dim() < 3 || x.size(0) * x.size(1) * width != x.numel()) {
    throw Error(code::kShape,
                concat("intervention: expected positions of ", width, " numbers, got ",
                       formatShape(x.sizes())),
                {{"expected", static_cast<double>(width)}, {"got", x.sizes().vec()}});
  }
  return x.reshape({-1, width});
}

Tensor takeRows(const Tensor& x, int64_t width, const Tensor& rows) {
  const Tensor all = asRows(x, width);
  return (rows.defined() ? all.index_select(0, rows) : all).to(wideType(x.scalar_type()));
}

Tensor addToRows(const Tensor& x, int64_t width, const Tensor& rows, const Tensor& delta,
                 bool inPlace) {
  const Tensor all = asRows(x, width);
  const auto type = wideType(x.scalar_type());
  if (!rows.defined()) return all.to(type).add(delta).to(x.scalar_type()).view(x.sizes());
  const Tensor changed = all.index_select(0, rows).to(type).add(delta).to(x.scalar_type());
  if (!inPlace || !all.is_alias_of(x)) return all.index_copy(0, rows, changed).view(x.sizes());
  Tensor target = all;
  target.index_copy_(0, rows, changed);
  return x;
}

}  // namespace gemlens::intervene
