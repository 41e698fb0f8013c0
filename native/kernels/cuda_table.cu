#include "kernels/cuda_plugin.h"

#include <cuda_runtime.h>

namespace gemlens::kernels {
namespace {

__global__ void probeKernel(Probe args) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < args.count) args.out[i] = args.value + i;
}

int probe(const Probe& args, void* stream) {
  if (args.count <= 0) return cudaSuccess;
  constexpr int kThreads = 128;
  probeKernel<<<(args.count + kThreads - 1) / kThreads, kThreads, 0,
                static_cast<cudaStream_t>(stream)>>>(args);
  return cudaGetLastError();
}

}  // namespace
}  // namespace gemlens::kernels

bool gemlens_cuda_kernels(gemlens::kernels::Kernels* table, uint32_t version, size_t size) {
  using namespace gemlens::kernels;
  if (version != kTableVersion || size != sizeof(Kernels)) return false;
  *table = Kernels{};
  table->name = "cuda";
  table->probe = probe;
  return true;
}
