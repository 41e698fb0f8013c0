// "cpu", "cuda" and "cuda:N" as libtorch devices.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace gemlens {

// True once libtorch_cuda.so is loaded and sees a GPU.
bool cudaAvailable();
int cudaDeviceCount();
// Throws DEVICE when the name is not one of ours or the GPU is not there.
c10::Device deviceFromName(const std::string& name);
std::string deviceName(c10::Device device);
// The stream that libtorch works on there, a cudaStream_t.
void* currentStream(c10::Device device);

}  // namespace gemlens
