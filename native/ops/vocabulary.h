// Operations of the small tensor vocabulary that are more than one method of Tensor: they have
// optional arguments, accept numbers for tensors, or make checks that libtorch lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/aten.h"

namespace gemlens::ops {

using Ints = std::vector<int64_t>;
using Operand = std::variant<Tensor, double>;

// Converts a JavaScript number. A whole number becomes an integer, so an integer tensor stays
// integral, as in torch.
at::Scalar scalar(double number);

// Calls `withTensor` if `other` is a tensor, `withScalar` if it is a number.
template <typename WithTensor, typename WithScalar>
Tensor binary(const Operand& other, WithTensor withTensor, WithScalar withScalar) {
  if (const auto* tensor = std::get_if<Tensor>(&other)) return withTensor(*tensor);
  return withScalar(scalar(std::get<double>(other)));
}

Tensor whereOp(Tensor condition, Operand a, Operand b);
Tensor indexOp(Tensor t, int64_t dim, Tensor indices);
Tensor toOp(Tensor t, std::optional<std::string> dtype, std::optional<std::string> device);
Tensor sumOp(Tensor t, std::optional<Ints> dims, bool keepdim);
Tensor meanOp(Tensor t, std::optional<Ints> dims, bool keepdim);
Tensor maxOp(Tensor t, std::optional<int64_t> dim, bool keepdim);
Tensor minOp(Tensor t, std::optional<int64_t> dim, bool keepdim);
Tensor normOp(Tensor t, double p, std::optional<Ints> dims, bool keepdim);
Tensor clampOp(Tensor t, std::optional<double> low, std::optional<double> high);

}  // namespace gemlens::ops
