// Finds an operation's kernel in the table of the tensor's device. If the table lacks it, the
// operation uses its composed form.
#pragma once

#include "base/aten.h"
#include "kernels/table.h"

namespace gemlens::ops {

// nullptr if every operation is composed on this device.
const kernels::Kernels* kernelsOn(c10::Device device);

// Throws DEVICE if an entry returned an error.
void checkLaunch(int status, const char* kernel, c10::Device device);

// Runs the CUDA plugin's probe on the first GPU, on libtorch's current stream, and checks every
// number that it wrote. Throws DEVICE if the plugin is not loaded or its kernels do not run there.
void probeCudaPlugin();

}  // namespace gemlens::ops
