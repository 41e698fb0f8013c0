// Grouped-query attention with a soft cap and a sliding window, as Gemma's eager attention in
// transformers:
//   scores = softCap(q·kᵀ · scale), −inf where the key is not visible
//   pattern = softmax(scores) in float32, rounded to q's type; z = pattern · v
// A key at column c is visible to the query at column r iff c ≤ r, c > r − window (window > 0; it
// counts the query itself) and column c is a real token. A query on padding sees itself, so that no
// row is empty. q [batch, pos, heads, d_head]; k, v [batch, kv heads, keys, d_head]; scores and
// pattern [batch, heads, pos, keys]; z [batch, pos, heads, d_head].
#pragma once

#include "base/aten.h"

namespace gemlens::ops {

struct AttentionShape {
  double scale = 1;
  double softcap = 0;
  int64_t window = 0;       // 0: all earlier keys
  int64_t queryColumn = 0;  // column of the first query
  int64_t keyColumn = 0;    // column of the first key
};

// [batch or 1, 1, pos, keys], true if visible. `real` [batch, keys] bool, or undefined.
Tensor attentionMask(const AttentionShape& shape, int64_t queries, int64_t keys, const Tensor& real,
                     c10::Device device);
Tensor attentionScores(const Tensor& q, const Tensor& k, const AttentionShape& shape,
                       const Tensor& mask);
Tensor attentionPattern(const Tensor& scores);
Tensor attentionZ(const Tensor& pattern, const Tensor& v);

// Computes attention one block of queries at a time. On the CPU it never holds more than [batch,
// heads, 256, keys] of scores. For a windowed layer it uses only the keys that a block can see.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                 const Tensor& real);

}  // namespace gemlens::ops
