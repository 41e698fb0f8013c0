// Waits for another thread without sleeping. This pays off for waits of microseconds, if the other
// thread runs on another core. It does not call sched_yield, which on a busy machine gives whole
// time slices to unrelated processes (measured: 1 ms per hook).
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
  // Call it on that thread.
  void note() { core_.store(sched_getcpu(), std::memory_order_relaxed); }
  // On the waiting thread. If it is true, the waiter should sleep: that frees the core for the
  // other thread, and the waiter can wake on another one.
  bool isMine() const { return core_.load(std::memory_order_relaxed) == sched_getcpu(); }

 private:
  std::atomic<int> core_{-1};
};

}  // namespace gemlens
