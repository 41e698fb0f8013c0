// The few free functions of ATen that the core calls, wrapped in one translation unit. A file that
// includes only this header compiles in 2 s; one that includes <ATen/ATen.h> takes 7 s (measured).
// All methods of Tensor are available too.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

namespace gemlens {

using at::Tensor;

Tensor empty(at::IntArrayRef shape, c10::ScalarType type, c10::Device device = c10::kCPU);
Tensor full(at::IntArrayRef shape, const at::Scalar& value, c10::ScalarType type,
            c10::Device device = c10::kCPU);
inline Tensor zeros(at::IntArrayRef shape, c10::ScalarType type, c10::Device device = c10::kCPU) {
  return full(shape, 0, type, device);
}
// [start, end) as int64.
Tensor arange(int64_t start, int64_t end, c10::Device device = c10::kCPU);
// The indices as an int64 tensor.
Tensor indexTensor(const std::vector<int32_t>& values, c10::Device device = c10::kCPU);
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim);
Tensor stack(const std::vector<Tensor>& tensors, int64_t dim);
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// x · weightᵀ: [.., in] × [out, in] → [.., out].
Tensor linear(const Tensor& x, const Tensor& weight);
Tensor geluTanh(const Tensor& x);
// mat1 · mat2 + bias: [n, k] × [k, m] + [m].
Tensor addmm(const Tensor& bias, const Tensor& mat1, const Tensor& mat2);
// Rows Σ_j values[j]·table[indices[j]] over indptr[r] ≤ j < indptr[r+1]: [rows, d].
Tensor weightedRowSum(const Tensor& table, const Tensor& indices, const Tensor& indptr,
                      const Tensor& values);
// A tensor over memory that `owner` keeps alive.
Tensor fromMemory(void* data, at::IntArrayRef shape, c10::ScalarType type,
                  std::shared_ptr<void> owner);

}  // namespace gemlens
