// Locates a tensor's bytes, as the TypeScript readers found them, and loads the tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/aten.h"
#include "base/executor.h"
#include "checkpoint/mapped_file.h"

namespace gemlens::checkpoint {

struct WeightSource {
  std::string name;
  c10::ScalarType type = c10::ScalarType::Float;
  std::vector<int64_t> shape;
  std::string file;  // empty: `bytes` holds the tensor
  int64_t byteOffset = 0;
  std::shared_ptr<std::vector<uint8_t>> bytes;
};

// Throws CHECKPOINT, naming file and tensor, unless the tensor's bytes lie within the file. Call it
// for every tensor before loading the first, so that nothing is allocated for a truncated
// checkpoint.
void checkWithinFile(const WeightSource& source, MappedFiles& files);

// On the CPU, a tensor kept in its own type uses the file's memory, or a copy if it is not aligned.
// Otherwise it is converted and the file's pages are released, so the peak is the target plus this
// one tensor.
Tensor loadTensor(const WeightSource& source, MappedFiles& files, c10::ScalarType type,
                  c10::Device device);

// True if the tensors have one shape and are equal when loaded as `type`. Compares a piece at a
// time and stops at the first difference. Throws ABORTED if `token` is cancelled.
bool sameValues(const WeightSource& a, const WeightSource& b, MappedFiles& files,
                c10::ScalarType type, const CancelToken& token);

}  // namespace gemlens::checkpoint
