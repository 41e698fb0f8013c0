// The storages that handles hold: each counts once, has at most one ArrayBuffer, and knows whether
// a queued task uses it. Used on the JS thread alone.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/aten.h"
#include "binding/napi_setup.h"

namespace gemlens::binding {

class Storages {
 public:
  explicit Storages(napi_env env) : env_(env) {}

  // A handle of this tensor comes or goes; both return the change of the bytes that are counted.
  // What is only lent to a hook is the run's, and not counted.
  int64_t hold(const Tensor& tensor, bool lent = false);
  int64_t letGo(const Tensor& tensor);

  // Submitted tasks that use it.
  void addUser(const Tensor& tensor) { ++users_[key(tensor)]; }
  void removeUser(const Tensor& tensor);
  bool inUse(const Tensor& tensor) const { return users_.count(key(tensor)) != 0; }

  // A typed array over the tensor's memory. Where the runtime allows no buffers over native memory
  // it is a copy if it may be one, else UNSUPPORTED.
  napi_value typedArray(const Tensor& tensor, bool mayCopy);
  // Scripts that still hold the ArrayBuffer see length 0.
  void detach(const Tensor& tensor);

  // Bytes of all storages, on the CPU or elsewhere.
  int64_t bytes(bool cpu) const;

 private:
  struct Storage {
    int64_t handles = 0;
    int64_t bytes = 0;
    bool counted = false;  // not what is only lent
    bool cpu = true;
    napi_ref buffer = nullptr;  // weak, to the ArrayBuffer
  };
  static const void* key(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }
  void dropBuffer(Storage& storage, bool detach);
  // Null where the runtime allows no buffers over native memory.
  napi_value arrayBuffer(const Tensor& tensor);

  napi_env env_;
  std::unordered_map<const void*, Storage> storages_;
  std::unordered_map<const void*, int> users_;
};

}  // namespace gemlens::binding
