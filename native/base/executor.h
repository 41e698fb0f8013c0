// One thread that runs everything heavy on a device, in order. A task may wait for an answer from
// another thread (a JavaScript hook); while it waits, the thread runs, nested, only tasks that were
// submitted from inside that wait. No Node here: the binding builds promises on top of it.
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

// Set from any thread, read between layers.
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
  // The wait from inside which it was submitted, 0 for none.
  int64_t parentWait = 0;
  // Runs on the executor's thread; must not throw.
  std::function<void()> run;
  // Cancelled when the executor stops while the task runs.
  std::shared_ptr<CancelToken> token;
};

// A wait of the executor for one answer, e.g. of one hook call.
struct Wait {
  int64_t id = 0;
  std::atomic<bool> answered{false};
  // Submitted from inside this wait; guarded by the executor's mutex. A list, as it is empty as a
  // rule, and then it allocates nothing.
  std::list<Task> nested;
  std::atomic<int> nestedCount{0};
};

class Executor {
 public:
  // `onStart` runs first on the thread: grad mode, device.
  explicit Executor(std::function<void()> onStart);
  ~Executor();

  void submit(Task task);

  // On the executor's thread: asks the question, then blocks until it is answered or the token is
  // cancelled, running nested tasks meanwhile. Spins first: a synchronous hook answers within
  // microseconds, and waking from a condition variable costs 50-80 µs (measured).
  void await(Wait& wait, const CancelToken& token, const std::function<void()>& ask);

  // From any thread, after `wait.answered` was set.
  void wake();

  // From any thread: a cancelled task that has not begun is run now, that is, rejected.
  void dropCancelled();

  // Lets the running task end at its next check, forgets the rest, joins.
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
