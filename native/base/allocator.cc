#include "base/allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gemlens {
namespace {

constexpr size_t kSmall = 64 << 10;  // below: plain posix_memalign
constexpr size_t kHuge = 2 << 20;    // from here on: mmap with huge pages
constexpr size_t kReserveLimit = size_t{768} << 20;
constexpr size_t kClasses = 8 * 48;

std::atomic<size_t> allocated{0};

// Size classes are 2^k · (1 + j/8), so at most 12.5 % of a block is wasted.
size_t classOf(size_t bytes) {
  const int octave = std::bit_width(bytes - 1) - 1;
  const size_t step = size_t{1} << (octave - 3);
  const size_t eighth = (bytes - (size_t{1} << octave) + step - 1) / step;
  return static_cast<size_t>(octave) * 8 + eighth;
}

size_t classBytes(size_t index) {
  const size_t octave = index / 8;
  return (size_t{1} << octave) + (index % 8) * (size_t{1} << (octave - 3));
}

void* systemAllocate(size_t bytes) {
  void* p = nullptr;
  if (bytes < kHuge) return posix_memalign(&p, 64, bytes) == 0 ? p : nullptr;
  p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

void systemFree(void* p, size_t bytes) {
  if (bytes < kHuge) {
    free(p);
  } else {
    munmap(p, bytes);
  }
}

class BlockCache {
 public:
  void* take(size_t index) {
    {
      std::lock_guard lock(mutex_);
      auto& blocks = free_[index];
      if (!blocks.empty()) {
        void* p = blocks.back();
        blocks.pop_back();
        reserved_ -= classBytes(index);
        return p;
      }
    }
    void* p = systemAllocate(classBytes(index));
    if (p == nullptr) {
      release();
      p = systemAllocate(classBytes(index));
    }
    return p;
  }

  void give(void* p, size_t index) {
    const size_t bytes = classBytes(index);
    {
      std::lock_guard lock(mutex_);
      if (reserved_ + bytes <= kReserveLimit) {
        free_[index].push_back(p);
        reserved_ += bytes;
        return;
      }
    }
    systemFree(p, bytes);
  }

  void release() {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < kClasses; ++i) {
      for (void* p : free_[i]) systemFree(p, classBytes(i));
      free_[i].clear();
    }
    reserved_ = 0;
  }

  size_t reserved() {
    std::lock_guard lock(mutex_);
    return reserved_;
  }

 private:
  std::mutex mutex_;
  std::array<std::vector<void*>, kClasses> free_;
  size_t reserved_ = 0;
};

// It is never destroyed: tensors may be freed during process exit.
BlockCache& blockCache() {
  static BlockCache* cache = new BlockCache;
  return *cache;
}

// A deleter gets no size, so each block stores its size in the 64 bytes before it.
struct Header {
  size_t bytes;
  size_t sizeClass;  // kClasses: a small block
};
constexpr size_t kHeader = 64;

void deleteBlock(void* data) {
  if (data == nullptr) return;
  void* block = static_cast<char*>(data) - kHeader;
  const Header header = *static_cast<Header*>(block);
  allocated -= header.bytes;
  if (header.sizeClass == kClasses) {
    free(block);
  } else {
    blockCache().give(block, header.sizeClass);
  }
}

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &deleteBlock, c10::Device(c10::DeviceType::CPU)};
    const size_t total = bytes + kHeader;
    void* block = nullptr;
    size_t sizeClass = kClasses;
    if (total < bytes || bytes > (size_t{1} << 46)) {
      block = nullptr;
    } else if (total < kSmall) {
      if (posix_memalign(&block, 64, total) != 0) block = nullptr;
    } else {
      sizeClass = classOf(total);
      block = blockCache().take(sizeClass);
    }
    if (block == nullptr) {
      throw Error(code::kOutOfMemory,
                  concat("allocate: the system has no ", bytes, " bytes of memory left on cpu"),
                  {{"device", std::string("cpu")}, {"requested", static_cast<double>(bytes)}});
    }
    *static_cast<Header*>(block) = {bytes, sizeClass};
    allocated += bytes;
    void* data = static_cast<char*>(block) + kHeader;
    return {data, data, &deleteBlock, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &deleteBlock; }

  void copy_data(void* dest, const void* src, std::size_t count) const override {
    std::memcpy(dest, src, count);
  }
};

bool installed = false;

}  // namespace

void installAllocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    const char* choice = std::getenv("GEMLENS_ALLOCATOR");
    if (choice != nullptr && std::string_view(choice) == "system") return;
    static auto* allocator = new CachingAllocator;
    c10::SetCPUAllocator(allocator, 100);
    installed = true;
  });
}

bool cachingAllocatorInstalled() { return installed; }

AllocatorStats allocatorStats() { return {allocated.load(), blockCache().reserved()}; }

void releaseCachedBlocks() { blockCache().release(); }

}  // namespace gemlens
