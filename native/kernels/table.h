// The kernels of one instruction set, or of CUDA, as a table of function pointers. An entry takes
// plain pointers and sizes, allocates nothing and never throws; the caller has checked its
// arguments. It returns 0, or a cudaError_t on CUDA. A missing entry is null; the caller then
// composes the operation from libtorch's.
//
// On a CPU an entry runs on the calling thread (the caller splits the rows) and ignores `stream`;
// on CUDA, `stream` is a cudaStream_t. All CPU tables give the same results bit for bit.
#pragma once

#include <stdint.h>

namespace gemlens::kernels {

// Marks the pre-activations that fire: pre > threshold and pre > 0. A NaN fires too, so that the
// caller finds it.
struct FiringMask {
  const float* pre;        // [rows, count]
  const float* threshold;  // [count]
  int64_t rows, count;
  uint64_t* mask;  // [rows, ⌈count / 64⌉]: bit c % 64 of word c / 64; bits past the end are 0
};

// out[j] = ⟨g[r], table[indices[j]]⟩ for indptr[r] ≤ j < indptr[r + 1]. It makes four partial sums
// by k mod 4 over ⌊width / 4⌋ · 4 elements and adds the remaining elements to the first. Then it
// adds the four in order.
struct SparseDots {
  const int32_t* indptr;   // [rows + 1]
  const int32_t* indices;  // feature ids
  const float* table;      // [n, width]
  const float* g;          // [rows, width]
  int64_t rows, width;
  float* out;  // by entry, as `indices`
};

// Writes value + i to out[i] for 0 ≤ i < count, to prove that the table's kernels run.
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

// Raise this if an entry's arguments or their meaning change. An added entry changes
// sizeof(Kernels).
constexpr uint32_t kTableVersion = 1;

}  // namespace gemlens::kernels
