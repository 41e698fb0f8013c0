#include "attribute/rebuilt_statistics.h"

#include <algorithm>

#include "attribute/operand.h"

namespace gemlens::attribute {
namespace {

// Rows that are converted to float64 at once.
constexpr int64_t kRows = 512;

void append(std::vector<double>& out, const Tensor& values) {
  const Tensor host = values.cpu().contiguous();
  const double* data = host.const_data_ptr<double>();
  out.insert(out.end(), data, data + host.numel());
}

}  // namespace

void checkRebuilt(const Tensor& x, const Tensor& rebuilt) {
  if (x.dim() != 2) {
    throw Error(code::kShape,
                concat("statistics: expected [rows, d_out], got ", formatShape(x.sizes())));
  }
  checkOperand("statistics", "x", x, x.sizes(), x.device());
  checkOperand("statistics", "rebuilt", rebuilt, x.sizes(), x.device());
}

RebuiltStatistics rebuiltStatistics(const Tensor& x, const Tensor& rebuilt,
                                    const CancelToken& token) {
  RebuiltStatistics out;
  Tensor sums = zeros({x.size(1)}, c10::kDouble, x.device());
  for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
    token.check();
    const int64_t count = std::min(kRows, x.size(0) - begin);
    const Tensor own = x.narrow(0, begin, count).to(c10::kDouble);
    const Tensor made = rebuilt.narrow(0, begin, count).to(c10::kDouble);
    append(out.error, own.sub(made).square().sum(1));
    append(out.square, own.square().sum(1));
    append(out.made, made.square().sum(1));
    append(out.dot, own.mul(made).sum(1));
    sums.add_(own.sum(0));
  }
  append(out.sums, sums);
  return out;
}

}  // namespace gemlens::attribute
