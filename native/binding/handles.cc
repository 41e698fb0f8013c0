#include "binding/handles.h"

#include <array>
#include <utility>

#include "base/error.h"

namespace gemlens::binding {
namespace {

constexpr int kIndexBits = 24;
constexpr int kGenerationBits = 20;
constexpr uint64_t kMaxHandles = uint64_t{1} << kIndexBits;
// Packs kind, generation and index into 47 bits, which V8 can store as a canonical user-space
// address.
void* encode(size_t kind, uint32_t generation, uint32_t index) {
  const uint64_t bits = (static_cast<uint64_t>(kind) << (kIndexBits + kGenerationBits)) |
                        (static_cast<uint64_t>(generation) << kIndexBits) | index;
  return reinterpret_cast<void*>(bits);
}

void check(napi_status status, const char* subject) {
  if (status != napi_ok)
    throw Error(code::kInternal, concat(subject, ": Node-API status ", static_cast<int>(status)));
}

}  // namespace

const char* kindName(size_t tag) {
  static constexpr auto kNames = []<size_t... tags>(std::index_sequence<tags...>) {
    return std::array{HandleKind<std::variant_alternative_t<tags, Payload>>::kName...};
  }
  (std::make_index_sequence<std::variant_size_v<Payload>>());
  return kNames[tag];
}

void HandleTable::count(const Payload& payload) {
  visitKind(payload, [&](auto kind, const auto& value) {
    int64_t change = kind.bytes(value);
    const int64_t loaded = kind.kLoaded ? change : 0;
    if constexpr (kind.kGrows) growing_.emplace(value.get(), change);
    kind.forEachStorage(value, [&](const Tensor& tensor) { change += storages_.retain(tensor); });
    account_.add(change, loaded);
  });
}

void HandleTable::uncount(const Payload& payload) {
  visitKind(payload, [&](auto kind, const auto& value) {
    int64_t change = -kind.bytes(value);
    const int64_t loaded = kind.kLoaded ? change : 0;
    if constexpr (kind.kGrows) {
      const auto counted = growing_.find(value.get());
      change = -counted->second;
      growing_.erase(counted);
    }
    kind.forEachStorage(value, [&](const Tensor& tensor) { change += storages_.release(tensor); });
    account_.add(change, loaded);
  });
}

uint32_t HandleTable::freeSlot() {
  if (account_.sweepIsDue(live_)) sweep();
  if (!free_.empty()) {
    const uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  if (slots_.size() >= kMaxHandles)
    throw Error(code::kOutOfMemory, "too many live handles (16,777,216)");
  slots_.emplace_back();
  return static_cast<uint32_t>(slots_.size() - 1);
}

napi_value HandleTable::fillSlot(Payload payload, bool watched) {
  const uint32_t index = freeSlot();
  Slot& slot = slots_[index];
  napi_value external = nullptr;
  check(napi_create_external(env_, encode(payload.index(), slot.generation, index), nullptr,
                             nullptr, &external),
        "handle");
  if (watched) check(napi_create_reference(env_, external, 0, &slot.weak), "handle");
  slot.used = true;
  slot.frozen = false;
  slot.payload = std::move(payload);
  ++live_;
  return external;
}

napi_value HandleTable::create(Payload payload) {
  if (visitKind(payload, [](auto kind, const auto&) { return kind.kLoaded; })) beforeLoad();
  const napi_value handle = fillSlot(payload, /*watched=*/true);
  count(payload);
  return handle;
}

napi_value HandleTable::createBorrowed(const Tensor& tensor) {
  const napi_value handle = fillSlot(tensor, /*watched=*/false);
  storages_.retain(tensor, /*borrowed=*/true);
  return handle;
}

void HandleTable::watch(napi_value handle) {
  if (!alive(handle)) return;
  size_t kind = 0;
  Slot* slot = find(handle, &kind);
  if (slot != nullptr && slot->weak == nullptr) napi_create_reference(env_, handle, 0, &slot->weak);
}

Slot* HandleTable::find(napi_value handle, size_t* kind) {
  void* data = nullptr;
  if (napi_get_value_external(env_, handle, &data) != napi_ok) return nullptr;
  const auto bits = reinterpret_cast<uint64_t>(data);
  const uint64_t index = bits & (kMaxHandles - 1);
  const uint32_t generation = (bits >> kIndexBits) & ((1u << kGenerationBits) - 1);
  *kind = bits >> (kIndexBits + kGenerationBits);
  if (*kind >= std::variant_size_v<Payload> || index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  if (!slot.used || slot.generation != generation || slot.payload.index() != *kind) {
    if (generation > slot.generation) return nullptr;  // never issued
    throw Error(code::kDisposed, concat(kindName(*kind), " was used after its dispose()"));
  }
  return &slot;
}

Slot& HandleTable::slot(napi_value handle, size_t kind) {
  size_t got = 0;
  Slot* slot = find(handle, &got);
  if (slot == nullptr || got != kind) {
    throw Error(code::kArgument, concat("expected the handle of ", kindName(kind), ", got ",
                                        slot == nullptr ? "something else" : kindName(got)));
  }
  return *slot;
}

bool HandleTable::alive(napi_value handle) {
  try {
    size_t kind = 0;
    return find(handle, &kind) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

void HandleTable::release(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.weak != nullptr) napi_delete_reference(env_, slot.weak);
  slot.weak = nullptr;
  uncount(slot.payload);
  slot.payload = Tensor();
  slot.used = false;
  // Retire a slot whose generations are used up: a stale handle must never become valid again.
  if (++slot.generation < (1u << kGenerationBits) - 1) free_.push_back(index);
  --live_;
}

bool HandleTable::dispose(napi_value handle, bool endLoan) {
  size_t kind = 0;
  Slot* slot = nullptr;
  try {
    slot = find(handle, &kind);
  } catch (const Error&) {
    return false;  // already disposed
  }
  if (slot == nullptr)
    throw Error(code::kArgument, "dispose: expected a handle, got something else");
  if (endLoan && kind == tagOf<Tensor>()) storages_.detach(std::get<Tensor>(slot->payload));
  release(static_cast<uint32_t>(slot - slots_.data()));
  return true;
}

void HandleTable::replace(napi_value handle, Tensor tensor) {
  Slot& target = slot(handle, tagOf<Tensor>());
  uncount(target.payload);
  target.payload = std::move(tensor);
  count(target.payload);
}

void HandleTable::sweep() {
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env_, &scope);
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].used || slots_[i].weak == nullptr) continue;
    napi_value value = nullptr;
    if (napi_get_reference_value(env_, slots_[i].weak, &value) == napi_ok && value == nullptr)
      release(i);
  }
  napi_close_handle_scope(env_, scope);
  account_.noteSweep(live_);
}

void HandleTable::beforeLoad() {
  sweep();
  if (!account_.collectionIsDue()) return;
  account_.collect();
  sweep();
  account_.noteCollection();
}

MemoryUse HandleTable::use() const {
  MemoryUse out{live_, 0, storages_.bytes(/*cpu=*/true), storages_.bytes(/*cpu=*/false)};
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    out.tensors += slot.payload.index() == tagOf<Tensor>() ? 1 : 0;
    visitKind(slot.payload, [&](auto kind, const auto& value) {
      (kind.onCpu(value) ? out.cpuBytes : out.cudaBytes) += kind.bytes(value);
    });
  }
  return out;
}

}  // namespace gemlens::binding
