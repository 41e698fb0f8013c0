// libgemlens_cuda.so exports one function, which fills a table. The core is built without CUDA
// headers and looks the function up by name. The library is present only if the loader has opened
// it.
#pragma once

#include <stddef.h>

#include "kernels/table.h"

// Fills `table` and returns true. If the plugin was built with another kTableVersion or
// sizeof(Kernels), it writes nothing and returns false.
extern "C" __attribute__((visibility("default"))) bool gemlens_cuda_kernels(
    gemlens::kernels::Kernels* table, uint32_t version, size_t size);

namespace gemlens::kernels {

// nullptr if the plugin is not loaded or was built with another table. An entry is null if there is
// no such kernel yet.
const Kernels* cudaKernels();

}  // namespace gemlens::kernels
