#include "kernels/cuda_plugin.h"

#include <dlfcn.h>

namespace gemlens::kernels {
namespace {

const Kernels* fromPlugin() {
  static Kernels table{};
  void* const plugin = dlopen("libgemlens_cuda.so", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (plugin == nullptr) return nullptr;
  const auto fill =
      reinterpret_cast<decltype(&gemlens_cuda_kernels)>(dlsym(plugin, "gemlens_cuda_kernels"));
  const bool filled = fill != nullptr && fill(&table, kTableVersion, sizeof table);
  return filled ? &table : nullptr;
}

}  // namespace

const Kernels* cudaKernels() {
  static const Kernels* const table = fromPlugin();
  return table;
}

}  // namespace gemlens::kernels
