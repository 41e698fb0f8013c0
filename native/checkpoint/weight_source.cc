#include "checkpoint/weight_source.h"

#include <algorithm>
#include <cstring>

#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::checkpoint {
namespace {

// Returns -1 on overflow.
int64_t byteCount(const WeightSource& source) {
  int64_t count = static_cast<int64_t>(c10::elementSize(source.type));
  for (const int64_t extent : source.shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return -1;
  }
  return count;
}

struct Span {
  uint8_t* data;
  std::shared_ptr<void> owner;
  std::shared_ptr<MappedFile> file;  // null: in memory
};

Span spanOf(const WeightSource& source, MappedFiles& files) {
  if (source.file.empty()) {
    return {source.bytes->data() + source.byteOffset, source.bytes, nullptr};
  }
  const auto file = files.open(source.file);
  return {file->data() + source.byteOffset, file, file};
}

// A tensor over these bytes, or a copy if they are not aligned.
Tensor tensorOverBytes(uint8_t* data, at::IntArrayRef shape, c10::ScalarType type, size_t bytes,
                       std::shared_ptr<void> owner) {
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(type) == 0) {
    return fromMemory(data, shape, type, std::move(owner));
  }
  const Tensor tensor = empty(shape, type);
  if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data, bytes);
  return tensor;
}

// Elements that `sameValues` compares at once: 16 MB of float32.
constexpr int64_t kPiece = 4 << 20;

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
  const Span span = spanOf(source, files);
  Tensor tensor = tensorOverBytes(span.data, source.shape, source.type, bytes, span.owner);
  if (type != source.type || !device.is_cpu())
    tensor = tensor.to(device, type, /*non_blocking=*/false, /*copy=*/true);
  // The pages of the copied bytes are no longer needed, though other tensors may keep the file
  // mapped.
  if (span.file && tensor.const_data_ptr() != span.data)
    span.file->releasePages(static_cast<size_t>(source.byteOffset), bytes);
  return tensor;
}

bool sameValues(const WeightSource& a, const WeightSource& b, MappedFiles& files,
                c10::ScalarType type, const CancelToken& token) {
  if (a.shape != b.shape) return false;
  checkWithinFile(a, files);
  checkWithinFile(b, files);
  const Span spanA = spanOf(a, files), spanB = spanOf(b, files);
  const auto sizeA = static_cast<int64_t>(c10::elementSize(a.type));
  const auto sizeB = static_cast<int64_t>(c10::elementSize(b.type));
  const int64_t total = byteCount(a) / sizeA;
  for (int64_t begin = 0; begin < total; begin += kPiece) {
    token.check();
    const int64_t count = std::min(kPiece, total - begin);
    const auto piece = [&](const Span& span, c10::ScalarType own, int64_t size) {
      return tensorOverBytes(span.data + begin * size, {count}, own,
                             static_cast<size_t>(count * size), span.owner);
    };
    if (a.type == b.type && std::memcmp(spanA.data + begin * sizeA, spanB.data + begin * sizeB,
                                        static_cast<size_t>(count * sizeA)) == 0) {
      continue;
    }
    const Tensor left = piece(spanA, a.type, sizeA).to(type);
    if (!left.equal(piece(spanB, b.type, sizeB).to(type))) return false;
  }
  return true;
}

}  // namespace gemlens::checkpoint
