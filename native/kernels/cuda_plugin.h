// libgemlens_cuda.so exports one function, which fills a table. The core is built without CUDA
// headers and looks the function up by name; that the library is there at all means that the loader
// opened it.
#pragma once

#include <stddef.h>

#include "kernels/table.h"

// Fills `table` and returns true; false, and nothing written, unless the plugin was built with the
// caller's kTableVersion and sizeof(Kernels).
extern "C" __attribute__((visibility("default"))) bool gemlens_cuda_kernels(
    gemlens::kernels::Kernels* table, uint32_t version, size_t size);

namespace gemlens::kernels {

// nullptr if the plugin is not loaded, or was built with another table. A null entry: no such
// kernel yet.
const Kernels* cudaKernels();

}  // namespace gemlens::kernels
