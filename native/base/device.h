// "cpu", "cuda" and "cuda:N" as libtorch devices.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace gemlens {

// True once libtorch_cuda.so is loaded and sees a GPU.
bool cudaAvailable();
int cudaDeviceCount();
// Throws DEVICE if the name is invalid or the GPU is missing.
c10::Device deviceFromName(const std::string& name);
std::string deviceName(c10::Device device);
// libtorch's current stream on the device, a cudaStream_t.
void* currentStream(c10::Device device);

}  // namespace gemlens
