// Work that other threads post to a thread with an event loop. Waking the loop is the slowest part
// of a hook's round trip. So the loop's thread spins briefly after it answers a hook: the run may
// call its next hook within microseconds. Nothing here depends on Node.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/spin.h"

namespace gemlens {

class Mailbox {
 public:
  using Work = std::function<void()>;

  // Each call of `wake(channel)`, from any thread, must cause one call of `runPosted`. There are
  // two channels. The channel that `runPosted` was called for may call it again before the loop
  // turns. The other one usually lets the loop turn first, unless the loop polls both in one pass.
  explicit Mailbox(std::function<void(int channel)> wake) : wake_(std::move(wake)) {}

  // From any thread. Work posted after `close` is discarded.
  void post(Work work);
  void close();

  // On the loop's thread: runs the posted work.
  void runPosted(const std::function<void(const Work&)>& run);
  // From inside posted work: the thread that was answered may soon post again, so spin for it.
  void expectPost() { expecting_ = true; }

 private:
  using Clock = std::chrono::steady_clock;

  bool wokenAgain() const { return wakes_.load(std::memory_order_acquire) > handled_; }
  void spinForPost(Clock::time_point start) const;

  const std::function<void(int)> wake_;
  std::mutex mutex_;
  std::vector<Work> posted_;  // guarded by mutex_
  bool closed_ = false;       // guarded by mutex_
  std::atomic<int64_t> wakes_{0};
  std::atomic<int> channel_{0};
  LastCore poster_;
  // On the loop's thread: the wake-ups handled, and when the current turn of the loop began.
  int64_t handled_ = 0;
  Clock::time_point turnStart_;
  bool sameTurn_ = false;
  bool expecting_ = false;
};

}  // namespace gemlens
