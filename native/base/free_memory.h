// The memory that a growing buffer may still use.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>

namespace gemlens {

// Bytes that can be allocated before the system kills the process: the minimum over the machine,
// the control group and the process's own limit. Empty for a GPU, whose allocator reports failures
// itself.
std::optional<int64_t> freeMemory(c10::Device device);

// "5.2 GiB"
std::string formatBytes(double bytes);

}  // namespace gemlens
