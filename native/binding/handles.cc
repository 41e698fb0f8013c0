#include "binding/handles.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::binding {
namespace {

constexpr std::array<const char*, 5> kKindNames = {"a tensor", "features", "a model", "a coder",
                                                   "a key-value cache"};
constexpr int kIndexBits = 24;
constexpr int kGenerationBits = 20;
constexpr uint64_t kMaxHandles = uint64_t{1} << kIndexBits;
// So much may be loaded, and half of what is held (but no more than 512 MB), before a load looks
// for models and coders that were forgotten.
constexpr int64_t kLoadSlack = int64_t{32} << 20;
constexpr int64_t kMostLoadSlack = int64_t{512} << 20;
// More than any heap's limit: told of so much native memory, V8 collects before the call returns.
constexpr int64_t kUnbearable = int64_t{1} << 45;

// 47 bits: kind, generation, index; stays a canonical user-space address whatever V8 does with it.
void* encode(size_t kind, uint32_t generation, uint32_t index) {
  const uint64_t bits = (static_cast<uint64_t>(kind) << (kIndexBits + kGenerationBits)) |
                        (static_cast<uint64_t>(generation) << kIndexBits) | index;
  return reinterpret_cast<void*>(bits);
}

napi_typedarray_type arrayType(c10::ScalarType type) {
  switch (type) {
    case c10::ScalarType::Float:
      return napi_float32_array;
    case c10::ScalarType::Double:
      return napi_float64_array;
    case c10::ScalarType::BFloat16:
    case c10::ScalarType::Half:
      return napi_uint16_array;
    case c10::ScalarType::Int:
      return napi_int32_array;
    case c10::ScalarType::Long:
      return napi_bigint64_array;
    case c10::ScalarType::Bool:
    case c10::ScalarType::Byte:
      return napi_uint8_array;
    default:
      throw Error(code::kDtype, concat("data: no typed array holds ", dtypeName(type)));
  }
}

void check(napi_status status, const char* what) {
  if (status != napi_ok)
    throw Error(code::kInternal, concat(what, ": Node-API status ", static_cast<int>(status)));
}

}  // namespace

// What a model, coder or key-value cache holds besides: V8 must know that collecting it pays.
int64_t HandleTable::ownBytes(const Payload& payload) {
  if (const auto* model = std::get_if<ModelPtr>(&payload)) return (*model)->weights().bytes();
  if (const auto* coder = std::get_if<CoderPtr>(&payload)) return (*coder)->bytes();
  if (const auto* cache = std::get_if<KvCachePtr>(&payload)) return (*cache)->bytes();
  return 0;
}

bool HandleTable::isLoaded(const Payload& payload) {
  return std::holds_alternative<ModelPtr>(payload) || std::holds_alternative<CoderPtr>(payload);
}

bool HandleTable::onCpu(const Payload& payload) {
  if (const auto* model = std::get_if<ModelPtr>(&payload)) return (*model)->device().is_cpu();
  if (const auto* coder = std::get_if<CoderPtr>(&payload)) return (*coder)->device().is_cpu();
  if (const auto* cache = std::get_if<KvCachePtr>(&payload)) return (*cache)->device().is_cpu();
  return true;
}

// Both return the change of what is counted.
int64_t HandleTable::holdStorage(const Tensor& tensor, bool lent) {
  Storage& storage = storages_[key(tensor)];
  if (storage.handles++ == 0) {
    storage.bytes = static_cast<int64_t>(tensor.storage().nbytes());
    storage.cpu = tensor.is_cpu();
  }
  if (lent || storage.counted) return 0;
  storage.counted = true;
  return storage.bytes;
}

int64_t HandleTable::letGoStorage(const Tensor& tensor) {
  Storage& storage = storages_[key(tensor)];
  if (--storage.handles > 0) return 0;
  const int64_t change = storage.counted ? -storage.bytes : 0;
  dropStorage(key(tensor), storage, false);
  return change;
}

void HandleTable::account(const Payload& payload, int sign) {
  int64_t change = 0;
  const auto count = [&](const Tensor& tensor) {
    change += sign > 0 ? holdStorage(tensor, false) : letGoStorage(tensor);
  };
  if (const auto* tensor = std::get_if<Tensor>(&payload)) count(*tensor);
  if (const auto* features = std::get_if<FeaturesPtr>(&payload)) {
    const auto& rows = (*features)->rows;
    for (const Tensor* part : {&rows.indptr, &rows.indices, &rows.values}) count(*part);
  }
  // A key-value cache's bytes change while it lives.
  if (const auto* cache = std::get_if<KvCachePtr>(&payload)) {
    if (sign > 0) countedCaches_.emplace(cache->get(), 0);
    recount(*cache, sign > 0);
    if (sign < 0) countedCaches_.erase(cache->get());
    return;
  }
  const int64_t own = sign * ownBytes(payload);
  loadedBytes_ += own;
  liveBytes_ += change + own;
  adjust(change + own);
}

void HandleTable::recount(const KvCachePtr& cache, bool lives) {
  const auto entry = countedCaches_.find(cache.get());
  if (entry == countedCaches_.end()) return;
  const int64_t bytes = lives ? cache->bytes() : 0, change = bytes - entry->second;
  entry->second = bytes;
  liveBytes_ += change;
  adjust(change);
}

void HandleTable::adjust(int64_t change) {
  if (change == 0) return;
  int64_t total = 0;
  napi_adjust_external_memory(env_, change, &total);
}

uint32_t HandleTable::freeSlot() {
  if (liveBytes_ > sweepAtBytes_ || live_ > sweepAtCount_) sweep();
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

napi_value HandleTable::occupy(Payload payload, bool watched) {
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
  if (isLoaded(payload)) beforeLoad();
  const napi_value handle = occupy(payload, /*watched=*/true);
  account(payload, 1);
  return handle;
}

napi_value HandleTable::lend(const Tensor& tensor) {
  const napi_value handle = occupy(tensor, /*watched=*/false);
  holdStorage(tensor, /*lent=*/true);
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
  if (*kind >= kKindNames.size() || index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  if (!slot.used || slot.generation != generation || slot.payload.index() != *kind) {
    if (generation > slot.generation) return nullptr;  // never handed out
    throw Error(code::kDisposed, concat(kKindNames[*kind], " was used after its dispose()"));
  }
  return &slot;
}

Slot& HandleTable::slot(napi_value handle, size_t kind) {
  size_t got = 0;
  Slot* slot = find(handle, &got);
  if (slot == nullptr || got != kind) {
    throw Error(code::kArgument, concat("expected the handle of ", kKindNames[kind], ", got ",
                                        slot == nullptr ? "something else" : kKindNames[got]));
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
  account(slot.payload, -1);
  slot.payload = Tensor();
  slot.used = false;
  // A slot whose generations are used up is retired: a stale handle must never come alive again.
  if (++slot.generation < (1u << kGenerationBits) - 1) free_.push_back(index);
  --live_;
}

bool HandleTable::dispose(napi_value handle, bool endLoan) {
  size_t kind = 0;
  Slot* slot = nullptr;
  try {
    slot = find(handle, &kind);
  } catch (const Error&) {
    return false;  // disposed before
  }
  if (slot == nullptr)
    throw Error(code::kArgument, "dispose: expected a handle, got something else");
  if (endLoan && kind == 0) {
    const Tensor& tensor = std::get<Tensor>(slot->payload);
    dropStorage(key(tensor), storages_[key(tensor)], true);
    storages_[key(tensor)].buffer = nullptr;
  }
  release(static_cast<uint32_t>(slot - slots_.data()));
  return true;
}

// Forgets the ArrayBuffer over a storage; with `detach`, scripts that still hold it see length 0.
void HandleTable::dropStorage(const void* storageKey, Storage& storage, bool detach) {
  if (storage.buffer != nullptr) {
    if (detach) {
      napi_value buffer = nullptr;
      if (napi_get_reference_value(env_, storage.buffer, &buffer) == napi_ok && buffer != nullptr) {
        napi_detach_arraybuffer(env_, buffer);
      }
    }
    napi_delete_reference(env_, storage.buffer);
    storage.buffer = nullptr;
  }
  if (storage.handles == 0) storages_.erase(storageKey);
}

void HandleTable::replace(napi_value handle, Tensor tensor) {
  Slot& target = slot(handle, 0);
  account(target.payload, -1);
  target.payload = std::move(tensor);
  account(target.payload, 1);
}

void HandleTable::removeUser(const Tensor& tensor) {
  const auto found = users_.find(key(tensor));
  if (found != users_.end() && --found->second == 0) users_.erase(found);
}

// An ArrayBuffer over the storage, kept while a handle holds that storage: two typed arrays of one
// tensor share a buffer. (A storage without a handle is not looked up: its address may be used
// again.)
napi_value HandleTable::arrayBuffer(const Tensor& tensor) {
  const auto known = storages_.find(key(tensor));
  napi_ref* cached = known == storages_.end() ? nullptr : &known->second.buffer;
  if (cached != nullptr && *cached != nullptr) {
    napi_value buffer = nullptr;
    bool detached = false;
    if (napi_get_reference_value(env_, *cached, &buffer) == napi_ok && buffer != nullptr &&
        napi_is_detached_arraybuffer(env_, buffer, &detached) == napi_ok && !detached) {
      return buffer;
    }
    napi_delete_reference(env_, *cached);
    *cached = nullptr;
  }
  // Owned twice: on failure Node calls the finalizer later (more than 4 GiB on Node 20) or never (a
  // worker that is being terminated, a runtime that allows none), and the memory must go either
  // way.
  const auto owner = std::make_shared<c10::Storage>(tensor.storage());
  auto* hint = new std::shared_ptr<c10::Storage>(owner);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env_, owner->mutable_data(), owner->nbytes(),
      [](napi_env, void*, void* shared) {
        delete static_cast<std::shared_ptr<c10::Storage>*>(shared);
      },
      hint, &buffer);
  if (status != napi_ok) *owner = c10::Storage();
  if (status == napi_no_external_buffers_allowed) return nullptr;
  if (status != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env_, &pending);
    napi_value ignored = nullptr;
    if (pending) napi_get_and_clear_last_exception(env_, &ignored);
    throw Error(code::kUnsupported,
                concat("data: the runtime cannot make an ArrayBuffer of ",
                       tensor.storage().nbytes(), " bytes; take a part with slice(…).clone()"));
  }
  if (cached != nullptr) check(napi_create_reference(env_, buffer, 0, cached), "data");
  return buffer;
}

napi_value HandleTable::typedArray(const Tensor& tensor, bool mayCopy) {
  if (!tensor.is_cpu())
    throw Error(code::kDevice, "data: expected a tensor on cpu; use read() for one on a GPU");
  if (!tensor.is_contiguous()) {
    throw Error(code::kUnsupported,
                "data: expected a contiguous tensor; use contiguous() or read()");
  }
  const napi_typedarray_type type = arrayType(tensor.scalar_type());
  napi_value result = nullptr;
  if (tensor.numel() == 0) {
    napi_value empty = nullptr;
    void* data = nullptr;
    check(napi_create_arraybuffer(env_, 0, &data, &empty), "data");
    check(napi_create_typedarray(env_, type, 0, empty, 0, &result), "data");
    return result;
  }
  const auto count = static_cast<size_t>(tensor.numel());
  size_t offset = static_cast<size_t>(tensor.storage_offset()) * tensor.element_size();
  napi_value buffer = arrayBuffer(tensor);
  if (buffer == nullptr) {
    if (!mayCopy) {
      throw Error(
          code::kUnsupported,
          "data: this runtime allows no buffers over native memory; use read() and copy_()");
    }
    void* data = nullptr;
    check(napi_create_arraybuffer(env_, tensor.nbytes(), &data, &buffer), "data");
    std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
    offset = 0;
  }
  check(napi_create_typedarray(env_, type, count, buffer, offset, &result), "data");
  return result;
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
  // Half of what comes and goes: half of a model's bytes may be more than the machine has.
  sweepAtBytes_ = liveBytes_ + std::max(int64_t{256} << 20, (liveBytes_ - loadedBytes_) / 2);
  sweepAtCount_ = std::max<int64_t>(20000, live_ * 2);
}

void HandleTable::beforeLoad() {
  const auto limit = [&] {
    return loadedBytes_ + std::clamp(loadedBytes_ / 2, kLoadSlack, kMostLoadSlack);
  };
  sweep();
  if (loadedBytes_ <= collectAtLoaded_) {
    collectAtLoaded_ = std::min(collectAtLoaded_, limit());  // after disposals
    return;
  }
  // V8 marks while the script goes on, and on a busy machine takes its time: a loop that forgets
  // what it loads would be hundreds of megabytes ahead.
  adjust(kUnbearable);
  adjust(-kUnbearable);
  sweep();
  collectAtLoaded_ = limit();
}

MemoryUse HandleTable::use() const {
  MemoryUse out;
  out.handles = live_;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    out.tensors += slot.payload.index() == 0 ? 1 : 0;
    (onCpu(slot.payload) ? out.cpuBytes : out.cudaBytes) += ownBytes(slot.payload);
  }
  for (const auto& [key, storage] : storages_)
    (storage.cpu ? out.cpuBytes : out.cudaBytes) += storage.bytes;
  return out;
}

}  // namespace gemlens::binding
