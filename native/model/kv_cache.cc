#include "model/kv_cache.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string>

#include "base/allocator.h"
#include "base/error.h"
#include "base/free_memory.h"

namespace gemlens::model {
namespace {

// Decode steps between moves of a window's keys to the front of its buffer.
constexpr int64_t kSlack = 64;

// Smaller growth is attempted directly: querying free memory takes 0.1 ms.
constexpr int64_t kSmall = int64_t{64} << 20;

constexpr int64_t kUnknown = -1;

}  // namespace

KvCache::KvCache(const ModelConfig& config, c10::ScalarType type, c10::Device device, int64_t batch,
                 int64_t capacity, KvGrowth growth)
    : kvHeads_(config.kvHeads),
      dHead_(config.dHead),
      type_(type),
      device_(device),
      batch_(batch),
      capacity_(capacity),
      growth_(growth) {
  // Positions are 32 bits wide.
  if (batch < 1 || capacity < 1 || capacity > std::numeric_limits<int32_t>::max() / batch) {
    throw Error(code::kArgument, concat("kvCache: expected 1 ≤ batch · capacity < 2³¹, got ", batch,
                                        " · ", capacity));
  }
  if (growth.block < 1 || growth.maxBytes < 0) {
    throw Error(code::kArgument, concat("kvCache: expected block ≥ 1 and maxBytes ≥ 0, got ",
                                        growth.block, ", ", growth.maxBytes));
  }
  for (const LayerConfig& layer : config.layers) {
    Layer entry;
    entry.window = layer.window;
    layers_.push_back(std::move(entry));
  }
}

bool KvCache::matches(const ModelConfig& config, c10::ScalarType type, c10::Device device) const {
  bool same = type == type_ && device == device_ && config.kvHeads == kvHeads_ &&
              config.dHead == dHead_ && config.layers.size() == layers_.size();
  for (size_t i = 0; same && i < layers_.size(); ++i)
    same = config.layers[i].window == layers_[i].window;
  return same;
}

// The bytes of one column of one layer, for keys and values.
int64_t KvCache::slotBytes() const {
  return 2 * batch_ * kvHeads_ * dHead_ * static_cast<int64_t>(c10::elementSize(type_));
}

int64_t KvCache::slotsNeeded(const Layer& layer, int64_t pos) const {
  if (layer.window == 0) return layer.count + pos;
  const int64_t kept = layer.window - 1;
  // For a prompt, only the keys that later queries can see are stored.
  if (layer.count == 0) return std::max<int64_t>(std::min(pos, kept), 1);
  if (layer.count + pos <= kept + kSlack) return layer.count + pos;
  return std::min(layer.count, kept) + pos;
}

int64_t KvCache::slotsWithRoom(const Layer& layer, int64_t need) const {
  const int64_t most =
      layer.window > 0 ? std::min(capacity_, layer.window - 1 + kSlack) : capacity_;
  const int64_t more = std::max(growth_.block, layer.slots() / 2);
  return std::max(need, std::min(most, std::max(need, layer.slots()) + more));
}

int64_t KvCache::bytesToAllocate(int64_t pos, bool withRoom) const {
  int64_t slots = 0, moved = 0;
  for (const Layer& layer : layers_) {
    const int64_t need = slotsNeeded(layer, pos);
    if (need <= layer.slots()) continue;
    slots += (withRoom ? slotsWithRoom(layer, need) : need) - layer.slots();
    moved = std::max(moved, layer.slots());
  }
  // A buffer is freed after its keys or values have been copied to the larger one.
  return slots * slotBytes() + moved * slotBytes() / 2;
}

void KvCache::grow(Layer& layer, int64_t slots) {
  const std::vector<int64_t> shape{batch_, kvHeads_, slots, dHead_};
  for (Tensor* buffer : {&layer.k, &layer.v}) {
    if (buffer->defined() && buffer->size(2) >= slots) continue;
    Tensor larger = empty(shape, type_, device_);
    if (layer.count > 0) larger.narrow(2, 0, layer.count).copy_(buffer->narrow(2, 0, layer.count));
    const int64_t before = buffer->defined() ? static_cast<int64_t>(buffer->nbytes()) : 0;
    bytes_ += static_cast<int64_t>(larger.nbytes()) - before;
    *buffer = std::move(larger);
  }
}

void KvCache::reserve(int64_t pos) {
  if (length_ + pos > capacity_) {
    throw Error(code::kArgument, concat("generate: expected at most ", capacity_,
                                        " positions, got ", length_ + pos));
  }
  const int64_t least = bytesToAllocate(pos, false);
  if (least == 0) return;
  const bool limited = growth_.maxBytes < KvGrowth().maxBytes;
  const bool small = bytesToAllocate(pos, true) < kSmall;
  const auto available = [&](bool query) {
    const int64_t allowed = std::max<int64_t>(0, growth_.maxBytes - bytes_);
    const auto free = query ? freeMemory(device_) : std::nullopt;
    if (free) return std::min(allowed, *free);
    return limited ? allowed : kUnknown;
  };
  int64_t free = available(!small);
  if (free != kUnknown && free < bytesToAllocate(pos, true)) {
    releaseCachedBlocks();
    free = available(!small);
  }
  if (free != kUnknown && free < least) throwOutOfMemory(pos, free, "");
  const bool withRoom = free == kUnknown || bytesToAllocate(pos, true) <= free;
  const auto growsTo = [&](Layer& layer, int64_t slots) {
    try {
      grow(layer, slots);
      return true;
    } catch (const Error&) {
      return false;
    } catch (const c10::OutOfMemoryError&) {
      return false;
    }
  };
  for (Layer& layer : layers_) {
    const int64_t need = slotsNeeded(layer, pos);
    if (need <= layer.slots()) continue;
    try {
      if (!withRoom || !growsTo(layer, slotsWithRoom(layer, need))) grow(layer, need);
    } catch (const Error& e) {
      throwOutOfMemory(pos, available(true), e.what());
    } catch (const c10::OutOfMemoryError& e) {
      const std::string text = e.what_without_backtrace();
      throwOutOfMemory(pos, kUnknown, text.substr(0, text.find('\n')));
    }
  }
}

void KvCache::throwOutOfMemory(int64_t pos, int64_t available, const std::string& why) const {
  const int64_t more = bytesToAllocate(pos, false);
  std::string text = concat("generate: expected room for ", length_ + pos, " tokens in ", batch_,
                            batch_ == 1 ? " row" : " rows", " of the key-value cache, which take ",
                            formatBytes(static_cast<double>(more)), " more, got ");
  Fields fields{{"device", std::string(device_.is_cpu() ? "cpu" : "cuda")},
                {"requested", static_cast<double>(more)},
                {"rows", static_cast<double>(batch_)},
                {"columns", static_cast<double>(length_ + pos)}};
  if (available == kUnknown || available >= more) {
    text += concat("none (", why, "); fewer rows, or fewer tokens, fit");
    throw Error(code::kOutOfMemory, text, fields);
  }
  int64_t low = 0, high = pos;  // `low` more columns fit
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (bytesToAllocate(middle, false) <= available ? low : high) = middle;
  }
  // A smaller batch can also use the memory that this cache holds now.
  const int64_t ofRow = std::max<int64_t>(1, (bytes_ + more) / batch_);
  const int64_t rows = std::min(batch_ - 1, (bytes_ + available) / ofRow);
  text += formatBytes(static_cast<double>(available));
  if (low > 0) text += concat("; ", low, length_ > 0 ? " tokens more fit" : " tokens fit");
  if (rows > 0) text += concat("; a batch of ", rows, rows == 1 ? " row fits" : " rows fits");
  if (low == 0 && rows <= 0) text += "; nothing smaller fits either";
  fields.emplace_back("free", static_cast<double>(available));
  fields.emplace_back("fitsTokens", static_cast<double>(low));
  fields.emplace_back("fitsRows", static_cast<double>(std::max<int64_t>(0, rows)));
  throw Error(code::kOutOfMemory, text, fields);
}

KvCache::View KvCache::append(int index, const Tensor& k, const Tensor& v) {
  Layer& layer = layers_[static_cast<size_t>(index)];
  const int64_t added = k.size(2);
  if (layer.window > 0 && layer.count == 0) {
    // This is a prompt. Its early queries see keys that no later query will, so attention uses all
    // keys but only the window's tail is stored.
    const int64_t keep = std::min(added, layer.window - 1);
    if (keep > 0) {
      layer.k.narrow(2, 0, keep).copy_(k.narrow(2, added - keep, keep));
      layer.v.narrow(2, 0, keep).copy_(v.narrow(2, added - keep, keep));
    }
    const int64_t keyColumn = length_;
    layer.start = length_ + added - keep;
    layer.count = keep;
    return {k, v, keyColumn};
  }
  if (layer.count + added > layer.slots()) {
    // After `reserve`, only a window's buffer can be too small. Move the keys still in the window
    // to the front.
    const int64_t keep = std::min(layer.count, layer.window - 1), drop = layer.count - keep;
    layer.k.narrow(2, 0, keep).copy_(layer.k.narrow(2, drop, keep).clone());
    layer.v.narrow(2, 0, keep).copy_(layer.v.narrow(2, drop, keep).clone());
    layer.start += drop;
    layer.count = keep;
  }
  layer.k.narrow(2, layer.count, added).copy_(k);
  layer.v.narrow(2, layer.count, added).copy_(v);
  layer.count += added;
  return {layer.k.narrow(2, 0, layer.count), layer.v.narrow(2, 0, layer.count), layer.start};
}

void KvCache::beginColumns(int64_t pos, const Tensor& mask) {
  if (!mask.defined() && !real_.defined()) return;
  const auto device = mask.defined() ? mask.device() : real_.device();
  const Tensor before = real_.defined() ? real_ : full({batch_, length_}, 1, c10::kBool, device);
  const Tensor added = mask.defined() ? mask : full({batch_, pos}, 1, c10::kBool, device);
  real_ = cat({before, added}, 1);
}

void KvCache::dropLast(int64_t pos) {
  length_ -= pos;
  if (real_.defined()) real_ = real_.narrow(1, 0, length_);
  for (Layer& layer : layers_)
    layer.count = length_ == 0 ? 0 : std::max<int64_t>(0, layer.count - pos);
}

Tensor KvCache::rowLengths(c10::Device device) const {
  return real_.defined() ? real_.sum(1) : full({batch_}, length_, c10::kLong, device);
}

}  // namespace gemlens::model
