#include "base/device.h"

#include <c10/core/Stream.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "base/error.h"

namespace gemlens {

int cudaDeviceCount() {
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) return 0;
  return c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
}

bool cudaAvailable() { return cudaDeviceCount() > 0; }

c10::Device deviceFromName(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::DeviceType::CPU);
  int index = -1;
  if (name == "cuda") index = 0;
  if (name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() <= 7) {
    index = 0;
    for (size_t i = 5; i < name.size(); ++i) {
      if (name[i] < '0' || name[i] > '9') index = -1;
      if (index >= 0) index = index * 10 + (name[i] - '0');
    }
  }
  if (index < 0) {
    throw Error(code::kDevice, "device: expected cpu, cuda or cuda:N, got " + name,
                {{"got", name}});
  }
  const int count = cudaDeviceCount();
  if (index >= count) {
    throw Error(
        code::kDevice,
        concat("device: expected one of ", count, " CUDA devices, got ", name,
               count == 0 ? " (no CUDA libtorch with a GPU is loaded; see `gemlens doctor`)" : ""),
        {{"got", name}, {"available", static_cast<double>(count)}});
  }
  return c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
}

std::string deviceName(c10::Device device) {
  return device.is_cpu()
             ? "cpu"
             : concat("cuda:", static_cast<int>(device.has_index() ? device.index() : 0));
}

void* currentStream(c10::Device device) {
  return c10::impl::getDeviceGuardImpl(device.type())->getStream(device).native_handle();
}

}  // namespace gemlens
