#include "ops/kernels.h"

#include "base/device.h"
#include "base/error.h"
#include "kernels/choose.h"
#include "kernels/cuda_plugin.h"

namespace gemlens::ops {

const kernels::Kernels* kernelsOn(c10::Device device) {
  if (device.is_cpu()) return kernels::cpuKernels();
  return device.is_cuda() ? kernels::cudaKernels() : nullptr;
}

void checkLaunch(int status, const char* kernel, c10::Device device) {
  if (status == 0) return;
  throw Error(code::kDevice, concat("cuda: the kernel ", kernel, " does not start on ",
                                    deviceName(device), ": CUDA error ", status));
}

void probeCudaPlugin() {
  constexpr int32_t kCount = 1000, kValue = 7;
  const kernels::Kernels* table = kernels::cudaKernels();
  if (table == nullptr) {
    throw Error(code::kDevice,
                "cuda: libgemlens_cuda.so is not loaded, or is not of this build of gemlens");
  }
  const c10::Device device = deviceFromName("cuda");
  const Tensor out = zeros({kCount}, c10::kInt, device);
  const kernels::Probe args{out.mutable_data_ptr<int32_t>(), kCount, kValue};
  checkLaunch(table->probe(args, currentStream(device)), "probe", device);
  const Tensor want = arange(kValue, kValue + kCount).to(c10::kInt);
  if (!out.cpu().equal(want)) {
    throw Error(code::kDevice, "cuda: a kernel of libgemlens_cuda.so wrote wrong numbers");
  }
}

}  // namespace gemlens::ops
