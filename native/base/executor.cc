#include "base/executor.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gemlens {
namespace {

constexpr auto kSpin = std::chrono::microseconds(50);

void pauseCpu() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

Executor::Executor(std::function<void()> onStart)
    : thread_([this, onStart = std::move(onStart)] {
        onStart();
        loop();
      }) {}

Executor::~Executor() { stop(); }

void Executor::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& token : running_) token->cancel();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Executor::runTask(Task& task) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) task.token->cancel();
    running_.push_back(task.token);
  }
  task.run();
  std::lock_guard lock(mutex_);
  running_.pop_back();
}

void Executor::submit(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (task.parentWait != 0 && isActive(task.parentWait)) {
      nested_.push_back(std::move(task));
      nestedCount_.fetch_add(1, std::memory_order_release);
    } else {
      queue_.push_back(std::move(task));
    }
  }
  changed_.notify_all();
}

bool Executor::isActive(int64_t wait) const {
  return std::find(activeWaits_.begin(), activeWaits_.end(), wait) != activeWaits_.end();
}

void Executor::wake() {
  // The lock orders this with a waiter that has just looked and is about to sleep.
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

bool Executor::takeNested(Task& out) {
  std::lock_guard lock(mutex_);
  if (nested_.empty()) return false;
  out = std::move(nested_.front());
  nested_.pop_front();
  nestedCount_.fetch_sub(1, std::memory_order_release);
  return true;
}

void Executor::await(Wait& wait, const CancelToken& token, const std::function<void()>& ask) {
  {
    // Before asking: the answer's side may submit nested tasks at once.
    std::lock_guard lock(mutex_);
    activeWaits_.push_back(wait.id);
  }
  ask();
  const auto done = [&] {
    return wait.answered.load(std::memory_order_acquire) || token.cancelled();
  };
  auto spinEnd = std::chrono::steady_clock::now() + kSpin;
  while (!done()) {
    if (nestedCount_.load(std::memory_order_acquire) > 0) {
      Task task;
      if (takeNested(task)) runTask(task);
      spinEnd = std::chrono::steady_clock::now() + kSpin;
      continue;
    }
    if (std::chrono::steady_clock::now() < spinEnd) {
      for (int i = 0; i < 32; ++i) pauseCpu();
      continue;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done() || !nested_.empty(); });
  }
  std::lock_guard lock(mutex_);
  activeWaits_.erase(std::find(activeWaits_.begin(), activeWaits_.end(), wait.id));
  // What this wait's hook left behind unanswered goes on as an ordinary task.
  for (auto it = nested_.begin(); it != nested_.end();) {
    if (isActive(it->parentWait)) {
      ++it;
      continue;
    }
    queue_.push_back(std::move(*it));
    it = nested_.erase(it);
    nestedCount_.fetch_sub(1, std::memory_order_release);
  }
}

void Executor::loop() {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    runTask(task);
  }
}

}  // namespace gemlens
