// The storages that handles hold: each counts once, has at most one ArrayBuffer, and knows whether
// a queued task uses it. Used only on the JS thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/aten.h"
#include "binding/napi_setup.h"

namespace gemlens::binding {

class Storages {
 public:
  explicit Storages(napi_env env) : env_(env) {}

  // Counts a handle of this tensor in or out. Both return the change in counted bytes. The run owns
  // a tensor that a hook only borrows, so that one is not counted.
  int64_t retain(const Tensor& tensor, bool borrowed = false);
  int64_t release(const Tensor& tensor);

  // Counts the submitted tasks that use the tensor.
  void addUser(const Tensor& tensor) { ++users_[key(tensor)]; }
  void removeUser(const Tensor& tensor);
  bool inUse(const Tensor& tensor) const { return users_.count(key(tensor)) != 0; }

  // A typed array over the tensor's memory. If the runtime allows no buffers over native memory, it
  // is a copy if `mayCopy`; otherwise it throws UNSUPPORTED.
  napi_value typedArray(const Tensor& tensor, bool mayCopy);
  // Detaches the tensor's ArrayBuffer. Scripts that still hold it see length 0.
  void detach(const Tensor& tensor);

  // The bytes of all storages on the CPU (`cpu`), or of all others.
  int64_t bytes(bool cpu) const;

 private:
  struct Storage {
    int64_t handles = 0;
    int64_t bytes = 0;
    bool counted = false;  // false while it is only borrowed
    bool cpu = true;
    napi_ref buffer = nullptr;  // weak, to the ArrayBuffer
  };
  static const void* key(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }
  void dropBuffer(Storage& storage, bool detach);
  // Null if the runtime allows no buffers over native memory.
  napi_value arrayBuffer(const Tensor& tensor);

  napi_env env_;
  std::unordered_map<const void*, Storage> storages_;
  std::unordered_map<const void*, int> users_;
};

}  // namespace gemlens::binding
