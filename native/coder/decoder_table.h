// The decoder rows of one encoder at all its write sites, [features · sites, width]. A table is
// either loaded and checked, or stays in its mapped file: then a call reads, checks and converts
// only the rows that it needs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/aten.h"
#include "ops/jump_relu.h"
#include "ops/matrix.h"

namespace gemlens::coder {

// CSR entries whose ids are row numbers of `table`.
struct TableEntries {
  ops::SparseRows entries;
  ops::Matrix table;
};

class DecoderTable {
 public:
  // Takes a table that was loaded and checked.
  DecoderTable(Tensor table, int64_t stride) : table_(std::move(table)), stride_(stride) {}
  // Takes a table that stays in its file, mapped, in the file's type. Rows are converted to `type`
  // and moved to `device`. `file` is for messages.
  DecoderTable(Tensor table, int64_t stride, c10::ScalarType type, c10::Device device,
               std::string file);

  bool isInFile() const { return inFile_; }
  int64_t stride() const { return stride_; }
  int64_t width() const { return table_.size(1); }
  int64_t features() const { return table_.size(0) / stride_; }
  // 0 for a table that stays in its file.
  int64_t bytes() const { return inFile_ ? 0 : static_cast<int64_t>(table_.nbytes()); }
  // A view of the rows at one site, [features, width]. If the table stays in its file, the view is
  // on the CPU in the file's type, and nothing is checked.
  Tensor dense(int64_t site) const;
  // The rows of these features at one site, [k, width]. Throws CHECKPOINT if the table stays in its
  // file and a row is not finite.
  Tensor rows(const Tensor& features, int64_t site) const;
  // The active features at one site with a table of their rows: the whole table if it is loaded,
  // else only the rows that are in use. Throws as `rows` does.
  TableEntries entries(const ops::SparseRows& active, int64_t site) const;

 private:
  Tensor table_;
  int64_t stride_;
  bool inFile_ = false;
  c10::ScalarType type_ = c10::kFloat;
  c10::Device device_ = c10::kCPU;
  std::string file_;
};

}  // namespace gemlens::coder
