#include "ops/vocabulary.h"

#include <cmath>

#include "base/device.h"
#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::ops {

at::Scalar scalar(double number) {
  const bool whole = std::floor(number) == number && std::abs(number) < 9007199254740992.0;
  return whole ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
}

namespace {

Tensor asTensor(const Operand& operand, c10::ScalarType type, c10::Device device) {
  if (const auto* tensor = std::get_if<Tensor>(&operand)) return *tensor;
  return full({}, std::get<double>(operand), type, device);
}

}  // namespace

Tensor whereOp(Tensor condition, Operand a, Operand b) {
  const Tensor* known =
      std::get_if<Tensor>(&a) != nullptr ? std::get_if<Tensor>(&a) : std::get_if<Tensor>(&b);
  const auto type = known != nullptr ? known->scalar_type() : c10::kFloat;
  return where(condition, asTensor(a, type, condition.device()),
               asTensor(b, type, condition.device()));
}

Tensor indexOp(Tensor t, int64_t dim, Tensor indices) {
  // libtorch checks the indices on the CPU. On CUDA, an index out of range is a device-side assert
  // that leaves the process unusable.
  if (!t.is_cpu() && indices.numel() > 0 && dim >= -t.dim() && dim < t.dim()) {
    const int64_t extent = t.size(dim);
    if (indices.min().item<int64_t>() < 0 || indices.max().item<int64_t>() >= extent) {
      throw Error(code::kArgument, concat("expected indices in 0 ≤ i < ", extent));
    }
  }
  return t.index_select(dim, indices);
}

Tensor toOp(Tensor t, std::optional<std::string> dtype, std::optional<std::string> device) {
  return t.to(device ? deviceFromName(*device) : t.device(),
              dtype ? dtypeFromName(*dtype) : t.scalar_type());
}

Tensor sumOp(Tensor t, std::optional<Ints> dims, bool keepdim) {
  return dims ? t.sum(*dims, keepdim) : t.sum();
}

Tensor meanOp(Tensor t, std::optional<Ints> dims, bool keepdim) {
  return dims ? t.mean(at::OptionalIntArrayRef(*dims), keepdim) : t.mean();
}

Tensor maxOp(Tensor t, std::optional<int64_t> dim, bool keepdim) {
  return dim ? t.amax(*dim, keepdim) : t.max();
}

Tensor minOp(Tensor t, std::optional<int64_t> dim, bool keepdim) {
  return dim ? t.amin(*dim, keepdim) : t.min();
}

Tensor normOp(Tensor t, double p, std::optional<Ints> dims, bool keepdim) {
  return dims ? t.norm(at::Scalar(p), *dims, keepdim) : t.norm(at::Scalar(p));
}

Tensor clampOp(Tensor t, std::optional<double> low, std::optional<double> high) {
  const auto bound = [](const std::optional<double>& x) {
    return x ? std::optional<at::Scalar>(scalar(*x)) : std::nullopt;
  };
  return t.clamp(bound(low), bound(high));
}

}  // namespace gemlens::ops
