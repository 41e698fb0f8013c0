// A caching CPU allocator for libtorch. glibc's posix_memalign(64) does not reuse a freed 4 MB
// block when small allocations sit between (9 GB of RSS for 4 MB alive, measured), and fresh pages
// cost 2-3 µs each; so blocks are kept in size classes of an eighth of an octave and handed out
// again.
#pragma once

#include <cstddef>

namespace gemlens {

struct AllocatorStats {
  size_t allocated = 0;  // handed out and not returned
  size_t reserved = 0;   // kept for reuse
};

// Once per process, before the first tensor. GEMLENS_ALLOCATOR=system leaves libtorch's own in
// place (sanitizers need that).
void installAllocator();
bool cachingAllocatorInstalled();
AllocatorStats allocatorStats();
// Gives every cached free block back to the system.
void releaseCachedBlocks();

}  // namespace gemlens
