#include "model/kv_cache.h"

#include <algorithm>

#include "base/error.h"

namespace gemlens::model {
namespace {

// Decode steps between two moves of a window's keys to the front.
constexpr int64_t kSlack = 64;

}  // namespace

KvCache::KvCache(const ModelConfig& config, c10::ScalarType type, c10::Device device, int64_t batch,
                 int64_t capacity)
    : kvHeads_(config.kvHeads),
      dHead_(config.dHead),
      type_(type),
      device_(device),
      batch_(batch),
      capacity_(capacity) {
  for (const LayerConfig& layer : config.layers) {
    Layer entry;
    entry.window = layer.window;
    layers_.push_back(std::move(entry));
  }
}

bool KvCache::fits(const ModelConfig& config, c10::ScalarType type, c10::Device device) const {
  bool same = type == type_ && device == device_ && config.kvHeads == kvHeads_ &&
              config.dHead == dHead_ && config.layers.size() == layers_.size();
  for (size_t i = 0; same && i < layers_.size(); ++i)
    same = config.layers[i].window == layers_[i].window;
  return same;
}

int64_t KvCache::bytesWhenFull() const {
  int64_t columns = 0;
  for (const Layer& layer : layers_) {
    columns += layer.window > 0 ? std::min(capacity_, layer.window - 1 + kSlack) : capacity_;
  }
  return 2 * columns * batch_ * kvHeads_ * dHead_ * static_cast<int64_t>(c10::elementSize(type_));
}

void KvCache::grow(Layer& layer, const Tensor& like, int64_t slots) {
  const std::vector<int64_t> shape{like.size(0), like.size(1), slots, like.size(3)};
  Tensor k = empty(shape, like.scalar_type(), like.device());
  Tensor v = empty(shape, like.scalar_type(), like.device());
  if (layer.count > 0) {
    k.narrow(2, 0, layer.count).copy_(layer.k.narrow(2, 0, layer.count));
    v.narrow(2, 0, layer.count).copy_(layer.v.narrow(2, 0, layer.count));
  }
  layer.k = std::move(k);
  layer.v = std::move(v);
}

KvCache::View KvCache::append(int index, const Tensor& k, const Tensor& v) {
  Layer& layer = layers_[static_cast<size_t>(index)];
  const int64_t added = k.size(2);
  if (layer.window > 0 && layer.count == 0) {
    // A prompt: its early queries still see keys that no later one will, so attention uses all of
    // them and only the window's tail is kept.
    const int64_t keep = std::min(added, layer.window - 1);
    const int64_t slots = std::min(capacity_, layer.window - 1 + kSlack);
    grow(layer, k, std::max<int64_t>(slots, 1));
    if (keep > 0) {
      layer.k.narrow(2, 0, keep).copy_(k.narrow(2, added - keep, keep));
      layer.v.narrow(2, 0, keep).copy_(v.narrow(2, added - keep, keep));
    }
    const int64_t keyColumn = length_;
    layer.start = length_ + added - keep;
    layer.count = keep;
    return {k, v, keyColumn};
  }
  if (layer.window > 0) {
    const int64_t keep = std::min(layer.count, layer.window - 1);
    if (!layer.k.defined() || layer.count + added > layer.k.size(2)) {
      const int64_t drop = layer.count - keep;
      if (drop > 0) {
        layer.k.narrow(2, 0, keep).copy_(layer.k.narrow(2, drop, keep).clone());
        layer.v.narrow(2, 0, keep).copy_(layer.v.narrow(2, drop, keep).clone());
        layer.start += drop;
        layer.count = keep;
      }
      if (layer.count + added > layer.k.size(2)) grow(layer, k, layer.count + added + kSlack);
    }
  } else if (!layer.k.defined() || layer.count + added > layer.k.size(2)) {
    grow(layer, k, std::max(capacity_, layer.count + added));
  }
  layer.k.narrow(2, layer.count, added).copy_(k);
  layer.v.narrow(2, layer.count, added).copy_(v);
  layer.count += added;
  return {layer.k.narrow(2, 0, layer.count), layer.v.narrow(2, 0, layer.count), layer.start};
}

void KvCache::beginColumns(int64_t pos, const Tensor& mask) {
  if (length_ + pos > capacity_) {
    throw Error(code::kArgument, concat("generate: expected at most ", capacity_,
                                        " positions, got ", length_ + pos));
  }
  if (!mask.defined() && !real_.defined()) return;
  const auto device = mask.defined() ? mask.device() : real_.device();
  const Tensor before = real_.defined() ? real_ : full({batch_, length_}, 1, c10::kBool, device);
  const Tensor added = mask.defined() ? mask : full({batch_, pos}, 1, c10::kBool, device);
  real_ = cat({before, added}, 1);
}

Tensor KvCache::rowLengths(c10::Device device) const {
  return real_.defined() ? real_.sum(1) : full({batch_}, length_, c10::kLong, device);
}

}  // namespace gemlens::model
