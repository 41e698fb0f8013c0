// Work that other threads leave for a thread with an event loop. To wake a loop takes longer than
// all else in the round trip of a hook, so that thread looks out for a moment after it has answered
// one: the run that it answered may ask its next hook within microseconds. No Node here.
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

  // Every call of `ring`, from any thread, has to bring about one call of `open`. Of two bells, the
  // one that `open` was called for may call it again without a turn of the loop; the other as a
  // rule does not, though a loop that looks at both in one pass may let it.
  explicit Mailbox(std::function<void(int bell)> ring) : ring_(std::move(ring)) {}

  // From any thread. Forgets the work once closed.
  void post(Work work);
  void close();

  // On the loop's thread: runs what was posted.
  void open(const std::function<void(const Work&)>& run);
  // From inside posted work: whoever was answered may soon post again, so look out for it.
  void expectPost() { expecting_ = true; }

 private:
  using Clock = std::chrono::steady_clock;

  bool rungAgain() const { return rings_.load(std::memory_order_acquire) > opened_; }
  void lookOut(Clock::time_point start) const;

  const std::function<void(int)> ring_;
  std::mutex mutex_;
  std::vector<Work> posted_;  // guarded by mutex_
  bool closed_ = false;       // guarded by mutex_
  std::atomic<int64_t> rings_{0};
  std::atomic<int> bell_{0};
  LastCore poster_;
  // The loop's thread: how many rings were followed, and since when without a turn of the loop.
  int64_t opened_ = 0;
  Clock::time_point turnStart_;
  bool sameTurn_ = false;
  bool expecting_ = false;
};

}  // namespace gemlens
