#include "checkpoint/weight_source.h"

#include <cstring>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::checkpoint {
namespace {

// -1 on overflow.
int64_t byteCount(const WeightSource& source) {
  int64_t count = static_cast<int64_t>(c10::elementSize(source.type));
  for (const int64_t extent : source.shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return -1;
  }
  return count;
}

}  // namespace

void checkWithinFile(const WeightSource& source, MappedFiles& files) {
  const int64_t bytes = byteCount(source);
  const int64_t available = source.file.empty()
                                ? static_cast<int64_t>(source.bytes->size())
                                : static_cast<int64_t>(files.open(source.file)->size());
  if (bytes >= 0 && source.byteOffset >= 0 && source.byteOffset <= available &&
      bytes <= available - source.byteOffset) {
    return;
  }
  throw Error(code::kCheckpoint,
              concat(source.file.empty() ? "(memory)" : source.file, ": tensor ", source.name,
                     ": expected ", bytes, " bytes at offset ", source.byteOffset, " for ",
                     dtypeName(source.type), " ", formatShape(source.shape), ", got a file of ",
                     available, " bytes"),
              {{"file", source.file}, {"tensor", source.name}});
}

Tensor loadTensor(const WeightSource& source, MappedFiles& files, c10::ScalarType type,
                  c10::Device device) {
  checkWithinFile(source, files);
  const size_t bytes = static_cast<size_t>(byteCount(source));
  std::shared_ptr<MappedFile> file;
  uint8_t* data = nullptr;
  std::shared_ptr<void> owner;
  if (source.file.empty()) {
    data = source.bytes->data() + source.byteOffset;
    owner = source.bytes;
  } else {
    file = files.open(source.file);
    data = file->data() + source.byteOffset;
    owner = file;
  }
  Tensor tensor;
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(source.type) == 0) {
    tensor = fromMemory(data, source.shape, source.type, std::move(owner));
  } else {
    tensor = empty(source.shape, source.type);
    if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data, bytes);
  }
  if (type == source.type && device.is_cpu()) return tensor;
  tensor = tensor.to(device, type, /*non_blocking=*/false, /*copy=*/true);
  if (file) file->forget(static_cast<size_t>(source.byteOffset), bytes);
  return tensor;
}

}  // namespace gemlens::checkpoint
