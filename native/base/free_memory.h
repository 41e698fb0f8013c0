// How much memory a growing buffer may still take.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>

namespace gemlens {

// Bytes that can be had without the system ending the process: the least of what the machine, the
// control group and the process's own limit leave. Nothing for a GPU, whose allocator tells.
std::optional<int64_t> freeMemory(c10::Device device);

// "5.2 GiB"
std::string formatBytes(double bytes);

}  // namespace gemlens
