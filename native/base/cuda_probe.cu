#include "base/cuda_plugin.h"

#include <cuda_runtime.h>

namespace {

__global__ void probeKernel(int* out, int count, int value) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = value + i;
}

}  // namespace

int gemlens_cuda_probe(int* out, int count, int value, void* stream) {
  if (count <= 0) return cudaSuccess;
  constexpr int kThreads = 128;
  probeKernel<<<(count + kThreads - 1) / kThreads, kThreads, 0,
                static_cast<cudaStream_t>(stream)>>>(out, count, value);
  return cudaGetLastError();
}
