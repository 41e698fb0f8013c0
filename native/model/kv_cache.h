// Keys (rotated) and values of the positions seen so far, per layer [batch, kv heads, keys,
// d_head]. A sliding-window layer keeps only the keys still in its window. Buffers grow in steps,
// before a run changes anything.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "base/aten.h"
#include "model/config.h"

namespace gemlens::model {

struct KvGrowth {
  int64_t block = 256;  // a buffer grows by this many columns or by half, whichever is more
  int64_t maxBytes = std::numeric_limits<int64_t>::max();  // limit for all buffers together
};

class KvCache {
 public:
  // `capacity` is the maximum number of columns. Throws ARGUMENT if a size is out of range.
  KvCache(const ModelConfig& config, c10::ScalarType type, c10::Device device, int64_t batch,
          int64_t capacity, KvGrowth growth = {});

  // True if the cache was made for a model of these sizes, this type and this device.
  bool matches(const ModelConfig& config, c10::ScalarType type, c10::Device device) const;
  c10::Device device() const { return device_; }
  // The buffers' current size. Any thread may call it.
  int64_t bytes() const { return bytes_; }

  int64_t batch() const { return batch_; }
  int64_t capacity() const { return capacity_; }
  // Columns appended so far, the same for each row.
  int64_t length() const { return length_; }

  // Makes room for `pos` more columns. Throws OUT_OF_MEMORY, reporting what would fit, and leaves
  // the cache's contents unchanged.
  void reserve(int64_t pos);

  struct View {
    Tensor k, v;        // [batch, kv heads, keys, d_head]
    int64_t keyColumn;  // column of the first key
  };
  // Appends k, v [batch, kv heads, pos, d_head] for the columns after `length()`.
  View append(int layer, const Tensor& k, const Tensor& v);

  // Real tokens among the columns, [batch, length] bool; undefined while all are real.
  Tensor real() const { return real_; }
  // Real tokens per row so far: [batch] int64.
  Tensor rowLengths(c10::Device device) const;
  // Call it before the blocks run, with the new columns' mask ([batch, pos] bool or undefined).
  void beginColumns(int64_t pos, const Tensor& mask);
  // Call it after the blocks have run.
  void endColumns(int64_t pos) { length_ += pos; }
  // Removes the last `pos` columns.
  void dropLast(int64_t pos);

 private:
  struct Layer {
    Tensor k, v;
    int64_t start = 0;  // column of slot 0
    int64_t count = 0;
    int64_t window = 0;

    int64_t slots() const {
      return k.defined() && v.defined() ? std::min(k.size(2), v.size(2)) : 0;
    }
  };
  int64_t slotBytes() const;
  // The slots that a layer needs for `pos` more columns, without and with room for later ones.
  int64_t slotsNeeded(const Layer& layer, int64_t pos) const;
  int64_t slotsWithRoom(const Layer& layer, int64_t need) const;
  // The bytes to allocate, in addition to those held, to make room for `pos` more columns.
  int64_t bytesToAllocate(int64_t pos, bool withRoom) const;
  void grow(Layer& layer, int64_t slots);
  [[noreturn]] void throwOutOfMemory(int64_t pos, int64_t available, const std::string& why) const;

  int64_t kvHeads_;
  int64_t dHead_;
  c10::ScalarType type_;
  c10::Device device_;
  int64_t batch_;
  int64_t capacity_;
  KvGrowth growth_;
  int64_t length_ = 0;
  std::atomic<int64_t> bytes_ = 0;
  Tensor real_;
  std::vector<Layer> layers_;
};

}  // namespace gemlens::model
