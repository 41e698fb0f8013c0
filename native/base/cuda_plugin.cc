#include "base/cuda_plugin.h"

#include <dlfcn.h>

#include "base/aten.h"
#include "base/device.h"
#include "base/error.h"

namespace gemlens {

void* cudaPluginSymbol(const char* name) {
  static void* const plugin = dlopen("libgemlens_cuda.so", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  return plugin == nullptr ? nullptr : dlsym(plugin, name);
}

void probeCudaPlugin() {
  constexpr int kCount = 1000, kValue = 7;
  const auto probe =
      reinterpret_cast<decltype(&gemlens_cuda_probe)>(cudaPluginSymbol("gemlens_cuda_probe"));
  if (probe == nullptr) throw Error(code::kDevice, "cuda: libgemlens_cuda.so is not loaded");
  const c10::Device device = deviceFromName("cuda");
  const Tensor out = zeros({kCount}, c10::kInt, device);
  const int status = probe(out.mutable_data_ptr<int>(), kCount, kValue, currentStream(device));
  if (status != 0) {
    throw Error(code::kDevice, concat("cuda: a kernel of libgemlens_cuda.so does not start on ",
                                      deviceName(device), ": CUDA error ", status));
  }
  const Tensor want = arange(kValue, kValue + kCount).to(c10::kInt);
  if (!out.cpu().equal(want)) {
    throw Error(code::kDevice, "cuda: a kernel of libgemlens_cuda.so wrote wrong numbers");
  }
}

}  // namespace gemlens
