// Where a tensor's bytes lie, as the TypeScript readers found it, and how it becomes a tensor.
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

// Throws CHECKPOINT naming file and tensor unless every stretch lies within its file. Call it for
// all tensors before loading the first: nothing is allocated for a checkpoint that is cut short.
void checkWithinFile(const WeightSource& source, MappedFiles& files);

// In its own type on the CPU: used in place (aligned) or copied (not aligned). Otherwise converted,
// and the file's pages are given back, so that the peak is the target plus this one tensor.
Tensor loadTensor(const WeightSource& source, MappedFiles& files, c10::ScalarType type,
                  c10::Device device);

// Whether two tensors of one shape are equal once both are loaded as `type`. Reads a piece at a
// time and stops at the first difference. Throws ABORTED.
bool sameValues(const WeightSource& a, const WeightSource& b, MappedFiles& files,
                c10::ScalarType type, const CancelToken& token);

}  // namespace gemlens::checkpoint
