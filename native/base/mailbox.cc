#include "base/mailbox.h"

#include <utility>

namespace gemlens {
namespace {

constexpr auto kLookOut = std::chrono::microseconds(12);
// After so long the loop gets its turn, for timers and I/O, whatever a run asks.
constexpr auto kTurn = std::chrono::milliseconds(1);

}  // namespace

void Mailbox::post(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;  // a call of `open` is on its way already
  }
  poster_.note();
  ring_();
  rings_.fetch_add(1, std::memory_order_release);
}

void Mailbox::close() {
  std::vector<Work> forgotten;
  std::lock_guard lock(mutex_);
  closed_ = true;
  forgotten.swap(posted_);
}

void Mailbox::open(const std::function<void(const Work&)>& run) {
  ++opened_;
  if (!sameTurn_) turnStart_ = Clock::now();
  expecting_ = false;
  std::vector<Work> taken;
  {
    std::lock_guard lock(mutex_);
    taken.swap(posted_);
  }
  for (const Work& work : taken) run(work);
  taken.clear();
  if (expecting_) lookOut();
  sameTurn_ = rungAgain();
}

void Mailbox::lookOut() const {
  const auto start = Clock::now();
  if (start - turnStart_ > kTurn) return;
  while (!rungAgain() && !poster_.isMine() && Clock::now() - start < kLookOut) pauseCpu();
}

}  // namespace gemlens
