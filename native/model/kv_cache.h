// Keys (rotated) and values of the positions seen so far, per layer [batch, kv heads, keys,
// d_head]. A sliding-window layer keeps only what its window can still see.
#pragma once

#include <vector>

#include "base/aten.h"
#include "model/config.h"

namespace gemlens::model {

class KvCache {
 public:
  // `capacity`: columns that may ever be appended.
  KvCache(const ModelConfig& config, c10::ScalarType type, c10::Device device, int64_t batch,
          int64_t capacity);

  // Whether it was made for a model of these sizes, this type and device.
  bool fits(const ModelConfig& config, c10::ScalarType type, c10::Device device) const;
  c10::Device device() const { return device_; }
  // What it holds once `capacity` columns were appended.
  int64_t bytesWhenFull() const;

  int64_t batch() const { return batch_; }
  int64_t capacity() const { return capacity_; }
  // Columns appended so far, the same for each row.
  int64_t length() const { return length_; }

  struct View {
    Tensor k, v;        // [batch, kv heads, keys, d_head]
    int64_t keyColumn;  // column of the first key
  };
  // k, v [batch, kv heads, pos, d_head] of the columns after `length()`.
  View append(int layer, const Tensor& k, const Tensor& v);

  // Real tokens among the columns, [batch, length] bool; undefined while all are real.
  Tensor real() const { return real_; }
  // Real tokens per row so far: [batch] int64.
  Tensor rowLengths(c10::Device device) const;
  // Before the blocks run: the new columns' mask ([batch, pos] bool or undefined).
  void beginColumns(int64_t pos, const Tensor& mask);
  // After they have run.
  void endColumns(int64_t pos) { length_ += pos; }

 private:
  struct Layer {
    Tensor k, v;
    int64_t start = 0;  // column of slot 0
    int64_t count = 0;
    int64_t window = 0;
  };
  void grow(Layer& layer, const Tensor& like, int64_t slots);

  int64_t kvHeads_;
  int64_t dHead_;
  c10::ScalarType type_;
  c10::Device device_;
  int64_t batch_;
  int64_t capacity_;
  int64_t length_ = 0;
  Tensor real_;
  std::vector<Layer> layers_;
};

}  // namespace gemlens::model
