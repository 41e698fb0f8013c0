// Handles: JavaScript holds an External that encodes slot, generation and kind; everything behind
// it is in this table, so a stale, foreign or wrong handle is an error and never a wild pointer.
// One table per environment, used on its JS thread alone.
//
// Finalizers do not run inside a synchronous loop, so unreachable handles are found by a sweep: a
// weak reference reads as empty as soon as V8 has collected its External.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/aten.h"
#include "binding/napi_setup.h"
#include "coder/features.h"
#include "coder/jump_relu_coder.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace gemlens::binding {

using ModelPtr = std::shared_ptr<const model::Transformer>;
using CoderPtr = std::shared_ptr<const coder::JumpReluCoder>;
using FeaturesPtr = std::shared_ptr<const coder::Features>;
using KvCachePtr = std::shared_ptr<model::KvCache>;
// The alternative's index is the handle's kind.
using Payload = std::variant<Tensor, FeaturesPtr, ModelPtr, CoderPtr, KvCachePtr>;

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
  explicit HandleTable(napi_env env) : env_(env) {}
  // The environment is going: its references go with it.
  ~HandleTable() = default;

  napi_value create(Payload payload);
  // The handle of what a hook is lent, which `dispose` takes back when the hook ends. Its memory is
  // the run's, so V8 is not told of it, and it is not watched: both cost more than the handle.
  napi_value lend(const Tensor& tensor);
  // A loan whose end is uncertain: from now on it also ends with the handle.
  void watch(napi_value handle);

  // Throw ARGUMENT (not such a handle) or DISPOSED.
  const Tensor& tensor(napi_value handle) { return std::get<Tensor>(slot(handle, 0).payload); }
  FeaturesPtr features(napi_value handle) { return std::get<FeaturesPtr>(slot(handle, 1).payload); }
  ModelPtr model(napi_value handle) { return std::get<ModelPtr>(slot(handle, 2).payload); }
  CoderPtr coder(napi_value handle) { return std::get<CoderPtr>(slot(handle, 3).payload); }
  KvCachePtr kvCache(napi_value handle) { return std::get<KvCachePtr>(slot(handle, 4).payload); }

  bool alive(napi_value handle);
  // False if it was freed before. `endLoan` detaches the ArrayBuffer over its memory, if there is
  // one.
  bool dispose(napi_value handle, bool endLoan);
  void freeze(napi_value handle) { slot(handle, 0).frozen = true; }
  bool frozen(napi_value handle) { return slot(handle, 0).frozen; }
  // Another tensor in the same handle.
  void replace(napi_value handle, Tensor tensor);

  // A typed array over the tensor's memory; one ArrayBuffer per storage. A runtime that allows no
  // buffers over native memory (Electron) makes it throw UNSUPPORTED: writes to a copy would be
  // lost.
  napi_value typedArray(const Tensor& tensor) { return typedArray(tensor, false); }
  // For values that are the caller's alone: a copy where the runtime wants one.
  napi_value ownedArray(const Tensor& values) { return typedArray(values, true); }

  // Storages that submitted tasks use.
  void addUser(const Tensor& tensor) { ++users_[key(tensor)]; }
  void removeUser(const Tensor& tensor);
  bool inUse(const Tensor& tensor) const { return users_.count(key(tensor)) != 0; }

  // A key-value cache may have grown since it was last counted.
  void recount(const KvCachePtr& cache) { recount(cache, true); }

  // Frees what JavaScript no longer reaches.
  void sweep();
  // Each load begins and ends with this: frees forgotten models and coders. After many bytes of
  // loads it makes V8 find out which are forgotten.
  void beforeLoad();
  MemoryUse use() const;

 private:
  struct Storage {
    int64_t handles = 0;
    int64_t bytes = 0;
    bool counted = false;  // in liveBytes_ and by V8; not what is only lent
    bool cpu = true;
    napi_ref buffer = nullptr;  // weak, to the ArrayBuffer
  };
  static const void* key(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }
  static int64_t ownBytes(const Payload& payload);
  static bool onCpu(const Payload& payload);
  static bool isLoaded(const Payload& payload);  // a model or a coder

  uint32_t freeSlot();
  napi_value occupy(Payload payload, bool watched);
  Slot& slot(napi_value handle, size_t kind);
  Slot* find(napi_value handle, size_t* kind);
  void release(uint32_t index);
  // V8 must know what collecting a handle would free.
  void account(const Payload& payload, int sign);
  void recount(const KvCachePtr& cache, bool lives);
  void adjust(int64_t change);
  int64_t holdStorage(const Tensor& tensor, bool lent);
  int64_t letGoStorage(const Tensor& tensor);
  void dropStorage(const void* key, Storage& storage, bool detach);
  // Null where the runtime allows no buffers over native memory.
  napi_value arrayBuffer(const Tensor& tensor);
  napi_value typedArray(const Tensor& tensor, bool mayCopy);

  napi_env env_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::unordered_map<const void*, Storage> storages_;
  std::unordered_map<const void*, int> users_;
  std::unordered_map<const void*, int64_t> countedCaches_;  // bytes that V8 was told of
  int64_t live_ = 0;
  int64_t liveBytes_ = 0;
  int64_t loadedBytes_ = 0;  // of these, what models and coders hold
  int64_t sweepAtBytes_ = int64_t{256} << 20;
  int64_t sweepAtCount_ = 20000;
  int64_t collectAtLoaded_ = int64_t{32} << 20;
};

}  // namespace gemlens::binding
