// Handles: JavaScript holds an External that encodes slot, generation and kind. The payload is in
// this table, so a stale, foreign or wrong handle is an error and never a wild pointer. Each
// environment has one table, used only on its JS thread.
//
// Finalizers do not run inside a synchronous loop, so a sweep finds unreachable handles: a weak
// reference reads as empty as soon as V8 has collected its External.
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
  bool frozen = false;      // in-place operations are rejected
  napi_ref weak = nullptr;  // to the External; null for a borrowed tensor
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
  // An environment that ends frees its references itself.
  ~HandleTable() = default;

  napi_value create(Payload payload);
  // Makes the handle of a tensor that a hook borrows; `dispose` frees it when the hook ends. The
  // run owns the memory, so it is not reported to V8, and there is no weak reference: both cost
  // more than the handle.
  napi_value createBorrowed(const Tensor& tensor);
  // Adds a weak reference to a borrowed handle whose hook may never end, so that a sweep can free
  // it.
  void watch(napi_value handle);

  // The value of a handle of this kind. Throws ARGUMENT if it is another handle, DISPOSED if it was
  // disposed.
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
  // Returns false if it was already disposed. `endLoan` also detaches the ArrayBuffer over its
  // memory, if there is one.
  bool dispose(napi_value handle, bool endLoan);
  void freeze(napi_value handle) { slot(handle, tagOf<Tensor>()).frozen = true; }
  bool frozen(napi_value handle) { return slot(handle, tagOf<Tensor>()).frozen; }
  // Puts another tensor in the same handle.
  void replace(napi_value handle, Tensor tensor);

  // A typed array over the tensor's memory; one ArrayBuffer per storage. Throws UNSUPPORTED if the
  // runtime allows no buffers over native memory (Electron), because writes to a copy would be
  // lost.
  napi_value typedArray(const Tensor& tensor) { return storages_.typedArray(tensor, false); }
  // For values that nobody else holds: it copies them if the runtime requires it.
  napi_value ownedArray(const Tensor& values) { return storages_.typedArray(values, true); }

  // Storages that submitted tasks use.
  void addUser(const Tensor& tensor) { storages_.addUser(tensor); }
  void removeUser(const Tensor& tensor) { storages_.removeUser(tensor); }
  bool inUse(const Tensor& tensor) const { return storages_.inUse(tensor); }

  // Counts the bytes of a growing payload again.
  template <typename T>
  void recount(const T& growing) {
    const auto counted = growing_.find(growing.get());
    if (counted == growing_.end()) return;
    const int64_t before = std::exchange(counted->second, HandleKind<T>::bytes(growing));
    account_.add(counted->second - before);
  }

  // Frees payloads that JavaScript can no longer reach.
  void sweep();
  // Runs at the start and at the end of each load: frees unreachable models and coders. If much has
  // been loaded since the last collection, it makes V8 collect first.
  void beforeLoad();
  MemoryUse use() const;

 private:
  uint32_t freeSlot();
  napi_value fillSlot(Payload payload, bool watched);
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
  std::unordered_map<const void*, int64_t> growing_;  // bytes counted so far
  int64_t live_ = 0;
};

}  // namespace gemlens::binding
