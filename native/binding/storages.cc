#include "binding/storages.h"

#include <cstring>
#include <memory>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::binding {
namespace {

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

void check(napi_status status) {
  if (status != napi_ok)
    throw Error(code::kInternal, concat("data: Node-API status ", static_cast<int>(status)));
}

}  // namespace

int64_t Storages::retain(const Tensor& tensor, bool borrowed) {
  Storage& storage = storages_[key(tensor)];
  if (storage.handles++ == 0) {
    storage.bytes = static_cast<int64_t>(tensor.storage().nbytes());
    storage.cpu = tensor.is_cpu();
  }
  if (borrowed || storage.counted) return 0;
  storage.counted = true;
  return storage.bytes;
}

int64_t Storages::release(const Tensor& tensor) {
  const auto found = storages_.find(key(tensor));
  if (--found->second.handles > 0) return 0;
  const int64_t change = found->second.counted ? -found->second.bytes : 0;
  dropBuffer(found->second, false);
  storages_.erase(found);
  return change;
}

void Storages::removeUser(const Tensor& tensor) {
  const auto found = users_.find(key(tensor));
  if (found != users_.end() && --found->second == 0) users_.erase(found);
}

void Storages::detach(const Tensor& tensor) {
  const auto found = storages_.find(key(tensor));
  if (found != storages_.end()) dropBuffer(found->second, true);
}

int64_t Storages::bytes(bool cpu) const {
  int64_t sum = 0;
  for (const auto& [key, storage] : storages_) sum += storage.cpu == cpu ? storage.bytes : 0;
  return sum;
}

void Storages::dropBuffer(Storage& storage, bool detach) {
  if (storage.buffer == nullptr) return;
  napi_value buffer = nullptr;
  if (detach && napi_get_reference_value(env_, storage.buffer, &buffer) == napi_ok &&
      buffer != nullptr) {
    napi_detach_arraybuffer(env_, buffer);
  }
  napi_delete_reference(env_, storage.buffer);
  storage.buffer = nullptr;
}

// Returns an ArrayBuffer over the storage. It is cached while a handle holds the storage, so two
// typed arrays of one tensor share a buffer. (The buffer of a storage without a handle is not
// cached: its address may be reused.)
napi_value Storages::arrayBuffer(const Tensor& tensor) {
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
  // The memory has two owners and must be freed in any case. On failure, Node calls the finalizer
  // later (more than 4 GiB on Node 20) or never (a worker that is being terminated, a runtime that
  // allows no external buffers).
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
  if (cached != nullptr) check(napi_create_reference(env_, buffer, 0, cached));
  return buffer;
}

napi_value Storages::typedArray(const Tensor& tensor, bool mayCopy) {
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
    check(napi_create_arraybuffer(env_, 0, &data, &empty));
    check(napi_create_typedarray(env_, type, 0, empty, 0, &result));
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
    check(napi_create_arraybuffer(env_, tensor.nbytes(), &data, &buffer));
    std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
    offset = 0;
  }
  check(napi_create_typedarray(env_, type, count, buffer, offset, &result));
  return result;
}

}  // namespace gemlens::binding
