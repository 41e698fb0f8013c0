#pragma once
// libgemlens_cuda.so: every launcher is a C function over plain pointers, plain numbers and a
// stream (cudaStream_t as void*), returning a cudaError_t as int. The core is built without CUDA
// headers and looks a launcher up by name; that the library is there at all means that the loader
// opened it.

#define GEMLENS_CUDA_EXPORT extern "C" __attribute__((visibility("default")))

// Writes `value + i` to out[i], 0 <= i < count: proof that this build's kernels run on this GPU.
GEMLENS_CUDA_EXPORT int gemlens_cuda_probe(int* out, int count, int value, void* stream);

namespace gemlens {

// nullptr when the plugin is not loaded, or when it has no such launcher.
void* cudaPluginSymbol(const char* name);

// Runs the probe on the first GPU, on libtorch's current stream, and looks at every number that it
// wrote. Throws DEVICE where the plugin is not loaded or its kernels do not run there.
void probeCudaPlugin();

}  // namespace gemlens
