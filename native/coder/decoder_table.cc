#include "coder/decoder_table.h"

#include <utility>

#include "base/error.h"
#include "checkpoint/finite.h"

namespace gemlens::coder {

DecoderTable::DecoderTable(Tensor table, int64_t stride, c10::ScalarType type, c10::Device device,
                           std::string file)
    : table_(std::move(table)),
      stride_(stride),
      inFile_(true),
      type_(type),
      device_(device),
      file_(std::move(file)) {}

Tensor DecoderTable::dense(int64_t site) const {
  if (stride_ == 1) return table_;
  return table_.view({features(), stride_, width()}).select(1, site);
}

Tensor DecoderTable::rows(const Tensor& features, int64_t site) const {
  const Tensor ids = features.to(c10::kLong);
  const Tensor index = stride_ == 1 ? ids : ids.mul(stride_).add(site);
  if (!inFile_) return table_.index_select(0, index.to(table_.device()));
  const Tensor taken = table_.index_select(0, index.cpu()).to(device_, type_);
  const int64_t at = checkpoint::firstNotFinite(taken);
  if (at < 0) return taken;
  const int64_t k = at / width(), column = at % width();
  const auto feature = ids[k].item<int64_t>();
  throw Error(
      code::kCheckpoint,
      concat(file_, ": expected finite numbers for W_dec, got ", taken[k][column].item<float>(),
             " at [", feature, ", ", site, ", ", column, "] (feature ", feature, ")"),
      {{"file", file_}, {"tensor", std::string("W_dec")}});
}

TableEntries DecoderTable::entries(const ops::SparseRows& active, int64_t site) const {
  if (!inFile_) {
    if (stride_ == 1) return {active, table_};
    return {{active.indptr, active.indices.mul(stride_).add(site), active.values}, table_};
  }
  const Tensor ids = active.indices.to(c10::kLong);
  const Tensor used = zeros({features()}, c10::kBool, ids.device()).index_fill(0, ids, 1);
  const Tensor rank = used.cumsum(0).sub_(1).index_select(0, ids).to(c10::kInt);
  return {{active.indptr, rank, active.values}, rows(used.nonzero().squeeze(1), site)};
}

}  // namespace gemlens::coder
