// The kernels of one instruction set, or of CUDA, as a table of function pointers. An entry takes
// plain pointers and sizes, allocates nothing and never throws: the caller has checked everything.
// It returns 0, or on CUDA a cudaError_t. An entry that a table lacks is null; the caller then
// composes the operation of libtorch's.
//
// On a CPU an entry runs on the calling thread (the caller splits the rows) and ignores `stream`;
// on CUDA, `stream` is a cudaStream_t. All CPU tables give the same results bit for bit.
#pragma once

#include <stdint.h>

namespace gemlens::kernels {

// Which pre-activations fire: pre > threshold and pre > 0. A NaN fires too, so that it is found.
struct FiringMask {
  const float* pre;        // [rows, count]
  const float* threshold;  // [count]
  int64_t rows, count;
  uint64_t* mask;  // [rows, ⌈count / 64⌉]: bit c % 64 of word c / 64; bits past the end are 0
};

// out[j] = ⟨g[r], table[indices[j]]⟩ for indptr[r] ≤ j < indptr[r + 1]. Four partial sums by k mod
// 4 over ⌊width / 4⌋ · 4 elements, the rest added to the first; then they are added in order.
struct SparseDots {
  const int32_t* indptr;   // [rows + 1]
  const int32_t* indices;  // feature ids
  const float* table;      // [n, width]
  const float* g;          // [rows, width]
  int64_t rows, width;
  float* out;  // by entry, as `indices`
};

// Writes value + i to out[i], 0 ≤ i < count: proof that the table's kernels run.
struct Probe {
  int32_t* out;
  int32_t count, value;
};

struct Kernels {
  const char* name;
  int (*firingMask)(const FiringMask& args, void* stream);
  int (*sparseDots)(const SparseDots& args, void* stream);
  int (*probe)(const Probe& args, void* stream);
};

// Changes whenever an entry's arguments or their meaning do; an added entry changes the size.
constexpr uint32_t kTableVersion = 1;

}  // namespace gemlens::kernels
