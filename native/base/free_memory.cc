#include "base/free_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

namespace gemlens {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// The number after `key` in a file of "key number" lines; `none` if the key is missing.
int64_t readField(const char* path, const std::string& key, int64_t none) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    int64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return none;
}

int64_t readNumber(const char* path, int64_t none) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : none;
}

// MemAvailable includes page cache that the kernel can reclaim.
int64_t availableOnMachine() {
  const int64_t available = readField("/proc/meminfo", "MemAvailable:", -1);
  if (available < 0) return kNoLimit;
  return 1024 * (available + readField("/proc/meminfo", "SwapFree:", 0));
}

// "max" does not parse as a number, so it means no limit.
int64_t availableInControlGroup() {
  const int64_t limit = readNumber("/sys/fs/cgroup/memory.max", kNoLimit);
  if (limit == kNoLimit) return kNoLimit;
  const int64_t used = readNumber("/sys/fs/cgroup/memory.current", 0);
  const char* stat = "/sys/fs/cgroup/memory.stat";
  const int64_t cache = readField(stat, "active_file", 0) + readField(stat, "inactive_file", 0);
  return std::max<int64_t>(0, limit - std::max<int64_t>(0, used - cache));
}

int64_t availableToProcess() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  const int64_t pages = readNumber("/proc/self/statm", 0);
  return std::max<int64_t>(0, static_cast<int64_t>(limit.rlim_cur) - pages * getpagesize());
}

}  // namespace

std::optional<int64_t> freeMemory(c10::Device device) {
  if (!device.is_cpu()) return std::nullopt;
  const int64_t available =
      std::min({availableOnMachine(), availableInControlGroup(), availableToProcess()});
  if (available == kNoLimit) return std::nullopt;
  return available;
}

std::string formatBytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text.data();
}

}  // namespace gemlens
