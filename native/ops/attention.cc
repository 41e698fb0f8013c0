#include "ops/attention.h"

#include <algorithm>
#include <limits>

#include "base/dtype.h"
#include "ops/soft_cap.h"

namespace gemlens::ops {
namespace {

constexpr int64_t kQueryBlock = 256;

// The number of queries whose scores are held at once. Few large launches are faster on a GPU, so
// it allows 256 MiB of float32 scores there.
int64_t queryBlock(const Tensor& q, int64_t keys) {
  if (q.is_cpu()) return kQueryBlock;
  constexpr int64_t kScores = int64_t{1} << 26;
  return std::max(kQueryBlock, kScores / std::max<int64_t>(1, q.size(0) * q.size(2) * keys));
}

// Groups the heads that share a key head: [b, p, h, d] → [b, kv, group · p, d].
Tensor groupQueries(const Tensor& q, int64_t kvHeads) {
  const int64_t batch = q.size(0), pos = q.size(1), group = q.size(2) / kvHeads;
  return q.transpose(1, 2).reshape({batch, kvHeads, group * pos, q.size(3)});
}

}  // namespace

Tensor attentionMask(const AttentionShape& shape, int64_t queries, int64_t keys, const Tensor& real,
                     c10::Device device) {
  const Tensor row = arange(shape.queryColumn, shape.queryColumn + queries, device).unsqueeze(1);
  const Tensor column = arange(shape.keyColumn, shape.keyColumn + keys, device).unsqueeze(0);
  Tensor visible = column.le(row);
  if (shape.window > 0) visible = visible.logical_and(column.gt(row.sub(shape.window)));
  visible = visible.unsqueeze(0).unsqueeze(0);
  if (!real.defined()) return visible;
  return visible.logical_and(real.unsqueeze(1).unsqueeze(1)).logical_or(column.eq(row));
}

Tensor attentionScores(const Tensor& q, const Tensor& k, const AttentionShape& shape,
                       const Tensor& mask) {
  const int64_t batch = q.size(0), pos = q.size(1), heads = q.size(2);
  Tensor scores = groupQueries(q, k.size(1)).matmul(k.transpose(2, 3)).mul_(shape.scale);
  scores = softCap(scores, shape.softcap).view({batch, heads, pos, k.size(2)});
  return scores.masked_fill_(mask.logical_not(), -std::numeric_limits<double>::infinity());
}

Tensor attentionPattern(const Tensor& scores) {
  return scores.softmax(-1, wideType(scores.scalar_type())).to(scores.scalar_type());
}

Tensor attentionZ(const Tensor& pattern, const Tensor& v) {
  const int64_t batch = pattern.size(0), heads = pattern.size(1), pos = pattern.size(2);
  const int64_t kvHeads = v.size(1), dHead = v.size(3);
  return pattern.reshape({batch, kvHeads, heads / kvHeads * pos, v.size(2)})
      .matmul(v)
      .view({batch, heads, pos, dHead})
      .transpose(1, 2)
      .contiguous();
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                 const Tensor& real) {
  const int64_t queries = q.size(1), keys = k.size(2);
  std::vector<Tensor> parts;
  const int64_t blockSize = queryBlock(q, keys);
  for (int64_t begin = 0; begin < queries; begin += blockSize) {
    const int64_t count = std::min(blockSize, queries - begin);
    const int64_t firstQuery = shape.queryColumn + begin;
    const int64_t firstColumn = shape.window > 0
                                    ? std::max(shape.keyColumn, firstQuery - shape.window + 1)
                                    : shape.keyColumn;
    const int64_t from = firstColumn - shape.keyColumn;
    const int64_t length = std::min(keys, firstQuery + count - shape.keyColumn) - from;
    AttentionShape block = shape;
    block.queryColumn = firstQuery;
    block.keyColumn = firstColumn;
    const Tensor blockReal = real.defined() ? real.narrow(1, from, length) : real;
    const Tensor mask = attentionMask(block, count, length, blockReal, q.device());
    const Tensor scores =
        attentionScores(q.narrow(1, begin, count), k.narrow(2, from, length), block, mask);
    parts.push_back(attentionZ(attentionPattern(scores), v.narrow(2, from, length)));
  }
  return parts.size() == 1 ? parts[0] : cat(parts, 1);
}

}  // namespace gemlens::ops
