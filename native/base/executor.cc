#include "base/executor.h"

#include <chrono>

namespace gemlens {
namespace {

constexpr auto kSpin = std::chrono::microseconds(50);

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
    enqueue(std::move(task));
  }
  changed_.notify_all();
}

void Executor::enqueue(Task task) {
  for (Wait* wait : activeWaits_) {
    if (wait->id != task.parentWait) continue;
    wait->nested.push_back(std::move(task));
    wait->nestedCount.fetch_add(1, std::memory_order_release);
    return;
  }
  queue_.push_back(std::move(task));
}

void Executor::dropCancelled() {
  std::vector<Task> dropped;
  const auto drop = [&](auto& tasks) {
    int count = 0;
    for (auto it = tasks.begin(); it != tasks.end();) {
      if (!it->token->cancelled()) {
        ++it;
        continue;
      }
      dropped.push_back(std::move(*it));
      it = tasks.erase(it);
      ++count;
    }
    return count;
  };
  {
    std::lock_guard lock(mutex_);
    drop(queue_);
    for (Wait* wait : activeWaits_)
      wait->nestedCount.fetch_sub(drop(wait->nested), std::memory_order_release);
  }
  for (Task& task : dropped) task.run();
}

void Executor::wake() {
  answerer_.note();
  // Both sides modify `asleep_`, so either this sees the waiter's change, or the waiter sees what
  // was set before this call. The waiter usually spins and takes the lock next, so this must not
  // hold it.
  if (asleep_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
  // Locking once lets a waiter that has already checked its condition go to sleep first.
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

bool Executor::takeNested(Wait& wait, Task& out) {
  std::lock_guard lock(mutex_);
  if (wait.nested.empty()) return false;
  out = std::move(wait.nested.front());
  wait.nested.pop_front();
  wait.nestedCount.fetch_sub(1, std::memory_order_release);
  return true;
}

void Executor::await(Wait& wait, const CancelToken& token, const std::function<void()>& ask) {
  {
    // Register first: the other thread may submit nested tasks as soon as it is asked.
    std::lock_guard lock(mutex_);
    activeWaits_.push_back(&wait);
  }
  ask();
  const auto done = [&] {
    return wait.answered.load(std::memory_order_acquire) || token.cancelled();
  };
  auto spinEnd = std::chrono::steady_clock::now() + kSpin;
  while (!done()) {
    if (wait.nestedCount.load(std::memory_order_acquire) > 0) {
      // Run only this wait's tasks. Another wait's task could wait for something lower on this
      // stack.
      Task task;
      if (takeNested(wait, task)) runTask(task);
      spinEnd = std::chrono::steady_clock::now() + kSpin;
      continue;
    }
    if (!answerer_.isMine() && std::chrono::steady_clock::now() < spinEnd) {
      pauseCpu();
      continue;
    }
    std::unique_lock lock(mutex_);
    asleep_.fetch_add(1, std::memory_order_acq_rel);
    changed_.wait(lock, [&] { return done() || !wait.nested.empty(); });
    asleep_.fetch_sub(1, std::memory_order_acq_rel);
  }
  std::lock_guard lock(mutex_);
  activeWaits_.pop_back();
  // Tasks that this wait's hook left queued move to the enclosing wait, or to the ordinary queue.
  for (Task& task : wait.nested) {
    task.parentWait = activeWaits_.empty() ? 0 : activeWaits_.back()->id;
    enqueue(std::move(task));
  }
  wait.nested.clear();
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
