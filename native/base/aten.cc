#include "base/aten.h"

#include <ATen/core/IListRef.h>
#include <ATen/ops/_embedding_bag_forward_only_ops.h>
#include <ATen/ops/addmm_ops.h>
#include <ATen/ops/arange_ops.h>
#include <ATen/ops/cat_ops.h>
#include <ATen/ops/empty_ops.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_ops.h>
#include <ATen/ops/gelu_ops.h>
#include <ATen/ops/linear_ops.h>
#include <ATen/ops/stack_ops.h>
#include <ATen/ops/where_ops.h>

#include <algorithm>

namespace gemlens {

Tensor empty(at::IntArrayRef shape, c10::ScalarType type, c10::Device device) {
  return at::_ops::empty_memory_format::call(c10::fromIntArrayRefSlow(shape), type, c10::kStrided,
                                             device, std::nullopt, std::nullopt);
}

Tensor full(at::IntArrayRef shape, const at::Scalar& value, c10::ScalarType type,
            c10::Device device) {
  return at::_ops::full::call(c10::fromIntArrayRefSlow(shape), value, type, c10::kStrided, device,
                              std::nullopt);
}

Tensor arange(int64_t start, int64_t end, c10::Device device) {
  return at::_ops::arange_start::call(start, end, c10::kLong, c10::kStrided, device, std::nullopt);
}

Tensor indexTensor(const std::vector<int32_t>& values, c10::Device device) {
  Tensor out = empty({static_cast<int64_t>(values.size())}, c10::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<int64_t>());
  return device.is_cpu() ? out : out.to(device);
}

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  return at::_ops::cat::call(at::ITensorListRef(at::TensorList(tensors)), dim);
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
  return at::_ops::stack::call(tensors, dim);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return at::_ops::where_self::call(condition, a, b);
}

Tensor linear(const Tensor& x, const Tensor& weight) {
  return at::_ops::linear::call(x, weight, std::nullopt);
}

Tensor geluTanh(const Tensor& x) { return at::_ops::gelu::call(x, "tanh"); }

Tensor addmm(const Tensor& bias, const Tensor& mat1, const Tensor& mat2) {
  return at::_ops::addmm::call(bias, mat1, mat2, 1, 1);
}

Tensor weightedRowSum(const Tensor& table, const Tensor& indices, const Tensor& indptr,
                      const Tensor& values) {
  constexpr int64_t kSum = 0;
  return std::get<0>(at::_ops::_embedding_bag_forward_only::call(
      table, indices, indptr, /*scale_grad_by_freq=*/false, kSum, /*sparse=*/false, values,
      /*include_last_offset=*/true, /*padding_idx=*/-1));
}

Tensor fromMemory(void* data, at::IntArrayRef shape, c10::ScalarType type,
                  std::shared_ptr<void> owner) {
  return at::from_blob(
      data, shape, [owner = std::move(owner)](void*) mutable { owner.reset(); },
      at::TensorOptions().dtype(type));
}

}  // namespace gemlens
