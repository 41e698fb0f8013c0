#include "ops/jump_relu_grad.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ops/sparse_rows.h"

namespace gemlens::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The columns of W_enc that are active in any row, stored as rows, and the entries' indices into
// them.
struct ActiveColumns {
  Tensor table;  // [distinct, d_in]
  Tensor indices;
};

ActiveColumns gatherColumns(const Tensor& wEnc, const Tensor& indices) {
  const Tensor used = zeros({wEnc.size(1)}, c10::kBool, wEnc.device()).index_fill(0, indices, 1);
  const Tensor ids = used.nonzero().squeeze(1);
  const Tensor rank = used.cumsum(0).sub_(1);
  return {wEnc.index_select(1, ids).t().contiguous(), rank.index_select(0, indices).to(c10::kInt)};
}

struct ActiveValues : torch::autograd::Function<ActiveValues> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& indptr,
                        const Tensor& indices, const Tensor& values, const Tensor& wEnc) {
    context->saved_data["type"] = static_cast<int64_t>(x.scalar_type());
    context->save_for_backward({indptr, indices, wEnc});
    return values.clone();
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const ActiveColumns columns = gatherColumns(saved[2], saved[1].to(c10::kLong));
    const Tensor gradient = sparseDecode({saved[0], columns.indices, grads[0]}, columns.table);
    const auto type = static_cast<c10::ScalarType>(context->saved_data["type"].toInt());
    return {gradient.to(type), {}, {}, {}, {}};
  }
};

struct DecodeValues : torch::autograd::Function<DecodeValues> {
  static Tensor forward(AutogradContext* context, const Tensor& values, const Tensor& indptr,
                        const Tensor& indices, const Tensor& wDec) {
    context->save_for_backward({indptr, indices, wDec});
    return sparseDecode({indptr, indices, values}, wDec);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    return {sparseDots({saved[0], saved[1], Tensor()}, saved[2], grads[0]), {}, {}, {}};
  }
};

}  // namespace

Tensor activeValues(const Tensor& x, const SparseRows& active, const Matrix& wEnc) {
  return ActiveValues::apply(x, active.indptr, active.indices, active.values, wEnc.dense());
}

Tensor decodeValues(const Tensor& values, const SparseRows& active, const Matrix& wDec) {
  return DecodeValues::apply(values, active.indptr, active.indices, wDec.dense());
}

}  // namespace gemlens::ops
