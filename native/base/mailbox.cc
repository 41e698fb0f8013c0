#include "base/mailbox.h"

#include <utility>

namespace gemlens {
namespace {

constexpr auto kSpin = std::chrono::microseconds(12);
// After this long the event loop gets a turn, for timers and I/O, even if a run keeps asking.
constexpr auto kMaxTurn = std::chrono::milliseconds(1);

}  // namespace

void Mailbox::post(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;  // a call of `runPosted` is already scheduled
  }
  poster_.note();
  wake_(channel_.load(std::memory_order_acquire));
  wakes_.fetch_add(1, std::memory_order_release);
}

void Mailbox::close() {
  std::vector<Work> forgotten;
  std::lock_guard lock(mutex_);
  closed_ = true;
  forgotten.swap(posted_);
}

void Mailbox::runPosted(const std::function<void(const Work&)>& run) {
  ++handled_;
  if (!sameTurn_) turnStart_ = Clock::now();
  expecting_ = false;
  std::vector<Work> taken;
  {
    std::lock_guard lock(mutex_);
    taken.swap(posted_);
  }
  for (const Work& work : taken) run(work);
  taken.clear();
  const auto now = Clock::now();
  const bool turnOver = now - turnStart_ > kMaxTurn;
  // A run can ask again before this returns to the loop. Only the other channel gives timers and
  // I/O a turn.
  if (turnOver)
    channel_.store(1 - channel_.load(std::memory_order_relaxed), std::memory_order_release);
  if (expecting_ && !turnOver) spinForPost(now);
  sameTurn_ = !turnOver && wokenAgain();
}

void Mailbox::spinForPost(Clock::time_point start) const {
  while (!wokenAgain() && !poster_.isMine() && Clock::now() - start < kSpin) pauseCpu();
}

}  // namespace gemlens
