// Waiting for another thread without sleeping: pays for microseconds, and only while the other runs
// on a core of its own. (No sched_yield: on a busy machine it hands whole time slices to processes
// that have nothing to do with it, measured as 1 ms for each hook.)
#pragma once

#include <sched.h>

#include <atomic>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gemlens {

inline void pauseCpu() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// The core on which a thread was last seen.
class LastCore {
 public:
  // On that thread.
  void note() { core_.store(sched_getcpu(), std::memory_order_relaxed); }
  // On the waiting thread: asleep it lets the other run, and is woken elsewhere.
  bool isMine() const { return core_.load(std::memory_order_relaxed) == sched_getcpu(); }

 private:
  std::atomic<int> core_{-1};
};

}  // namespace gemlens
