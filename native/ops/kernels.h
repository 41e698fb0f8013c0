// How an operation finds its kernel: the table of the tensor's device, and the composed form where
// the table lacks it.
#pragma once

#include "base/aten.h"
#include "kernels/table.h"

namespace gemlens::ops {

// nullptr: everything is composed there.
const kernels::Kernels* kernelsOn(c10::Device device);

// Throws DEVICE if an entry returned an error.
void checkLaunch(int status, const char* kernel, c10::Device device);

// Runs the CUDA plugin's probe on the first GPU, on libtorch's current stream, and looks at every
// number that it wrote. Throws DEVICE if the plugin is not loaded or its kernels do not run there.
void probeCudaPlugin();

}  // namespace gemlens::ops
