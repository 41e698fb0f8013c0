// Handles: JavaScript holds an External that encodes slot, generation and kind; everything behind
// it is in this table, so a stale, foreign or wrong handle is an error and never a wild pointer.
// One table per environment, used on its JS thread alone.
//
// Finalizers do not run inside a synchronous loop, so unreachable handles are found by a sweep: a
// weak reference reads as empty as soon as V8 has collected its External.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "binding/handle_kinds.h"
#include "binding/memory_account.h"
#include "binding/napi_setup.h"
#include "binding/storages.h"

namespace gemlens::binding {

struct Slot {
  Payload payload;
  uint32_t generation = 0;
  bool used = false;
  bool frozen = false;      // in-place operations are refused
  napi_ref weak = nullptr;  // to the External; null for what is lent
};

struct MemoryUse {
  int64_t handles = 0;
  int64_t tensors = 0;
  int64_t cpuBytes = 0;
  int64_t cudaBytes = 0;
};

class HandleTable {
 public:
  explicit HandleTable(napi_env env) : env_(env), account_(env), storages_(env) {}
  // The environment is going: its references go with it.
  ~HandleTable() = default;

  napi_value create(Payload payload);
  // The handle of what a hook is lent, which `dispose` takes back when the hook ends. Its memory is
  // the run's, so V8 is not told of it, and it is not watched: both cost more than the handle.
  napi_value lend(const Tensor& tensor);
  // A loan whose end is uncertain: from now on it also ends with the handle.
  void watch(napi_value handle);

  // What a handle of this kind holds. Throws ARGUMENT (not such a handle) or DISPOSED.
  template <typename T>
  const T& get(napi_value handle) {
    return std::get<T>(slot(handle, tagOf<T>()).payload);
  }
  const Tensor& tensor(napi_value handle) { return get<Tensor>(handle); }
  FeaturesPtr features(napi_value handle) { return get<FeaturesPtr>(handle); }
  ModelPtr model(napi_value handle) { return get<ModelPtr>(handle); }
  CoderPtr coder(napi_value handle) { return get<CoderPtr>(handle); }
  KvCachePtr kvCache(napi_value handle) { return get<KvCachePtr>(handle); }

  bool alive(napi_value handle);
  // False if it was freed before. `endLoan` detaches the ArrayBuffer over its memory, if there is
  // one.
  bool dispose(napi_value handle, bool endLoan);
  void freeze(napi_value handle) { slot(handle, tagOf<Tensor>()).frozen = true; }
  bool frozen(napi_value handle) { return slot(handle, tagOf<Tensor>()).frozen; }
  // Another tensor in the same handle.
  void replace(napi_value handle, Tensor tensor);

  // A typed array over the tensor's memory; one ArrayBuffer per storage. A runtime that allows no
  // buffers over native memory (Electron) makes it throw UNSUPPORTED: writes to a copy would be
  // lost.
  napi_value typedArray(const Tensor& tensor) { return storages_.typedArray(tensor, false); }
  // For values that are the caller's alone: a copy where the runtime wants one.
  napi_value ownedArray(const Tensor& values) { return storages_.typedArray(values, true); }

  // Storages that submitted tasks use.
  void addUser(const Tensor& tensor) { storages_.addUser(tensor); }
  void removeUser(const Tensor& tensor) { storages_.removeUser(tensor); }
  bool inUse(const Tensor& tensor) const { return storages_.inUse(tensor); }

  // What grows may have grown since it was last counted.
  template <typename T>
  void recount(const T& growing) {
    const auto counted = growing_.find(growing.get());
    if (counted == growing_.end()) return;
    const int64_t before = std::exchange(counted->second, HandleKind<T>::bytes(growing));
    account_.add(counted->second - before);
  }

  // Frees what JavaScript no longer reaches.
  void sweep();
  // Each load begins and ends with this: frees forgotten models and coders. After many bytes of
  // loads it makes V8 find out which are forgotten.
  void beforeLoad();
  MemoryUse use() const;

 private:
  uint32_t freeSlot();
  napi_value occupy(Payload payload, bool watched);
  Slot& slot(napi_value handle, size_t kind);
  Slot* find(napi_value handle, size_t* kind);
  void release(uint32_t index);
  void count(const Payload& payload);
  void uncount(const Payload& payload);

  napi_env env_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  MemoryAccount account_;
  Storages storages_;
  std::unordered_map<const void*, int64_t> growing_;  // bytes that were counted
  int64_t live_ = 0;
};

}  // namespace gemlens::binding
