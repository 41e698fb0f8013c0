// One thread that runs a device's heavy work in order. A task may wait for an answer from another
// thread (a JavaScript hook). While it waits, the thread runs only the nested tasks that were
// submitted from inside that wait. Nothing here depends on Node: the binding builds promises on it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/spin.h"

namespace gemlens {

// Can be set from any thread; a run checks it between layers.
class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_release); }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  // Throws ABORTED once cancelled.
  void check() const {
    if (cancelled()) throw Error(code::kAborted, "the call was aborted");
  }

 private:
  std::atomic<bool> cancelled_{false};
};

struct Task {
  // The wait during which the task was submitted; 0 if none.
  int64_t parentWait = 0;
  // Runs on the executor's thread; must not throw.
  std::function<void()> run;
  // Cancelled when the executor stops while the task runs.
  std::shared_ptr<CancelToken> token;
};

// The executor's wait for one answer, such as that of a hook call.
struct Wait {
  int64_t id = 0;
  std::atomic<bool> answered{false};
  // Tasks submitted from inside this wait; guarded by the executor's mutex. There are usually none,
  // and an empty list allocates nothing.
  std::list<Task> nested;
  std::atomic<int> nestedCount{0};
};

class Executor {
 public:
  // `onStart` runs first on the thread, to set grad mode and device.
  explicit Executor(std::function<void()> onStart);
  ~Executor();

  void submit(Task task);

  // On the executor's thread: calls `ask`, then blocks until the wait is answered or the token is
  // cancelled. Nested tasks run meanwhile. It spins first: a synchronous hook answers within
  // microseconds, and waking from a condition variable costs 50-80 µs (measured).
  void await(Wait& wait, const CancelToken& token, const std::function<void()>& ask);

  // From any thread: wakes a waiting executor. Set `wait.answered` first.
  void wake();

  // From any thread: runs cancelled tasks that have not started, which rejects them.
  void dropCancelled();

  // Cancels the running task, discards the queue, then joins the thread.
  void stop();

 private:
  void loop();
  void runTask(Task& task);
  bool takeNested(Wait& wait, Task& out);
  void enqueue(Task task);  // mutex_ held

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  std::vector<Wait*> activeWaits_;                     // guarded by mutex_; innermost last
  std::vector<std::shared_ptr<CancelToken>> running_;  // guarded by mutex_; innermost last
  bool stopping_ = false;                              // guarded by mutex_
  LastCore answerer_;
  std::atomic<int> asleep_{0};
  std::thread thread_;
};

}  // namespace gemlens
