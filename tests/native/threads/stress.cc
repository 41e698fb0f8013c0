// Runs the executor, the mailbox and the hook rendezvous without Node, for ThreadSanitizer. One thread
// acts as JavaScript's: it submits, answers hooks at once or later, submits from inside them, and
// aborts. Prints the seed, which repeats the choices; exits with 1 if a task was lost.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "base/executor.h"
#include "base/mailbox.h"

namespace {

using gemlens::CancelToken;
using gemlens::Executor;
using gemlens::Mailbox;
using gemlens::Wait;

// The JavaScript thread's event loop, which calls the mailbox's `runPosted` once for every wake.
class Loop {
 public:
  void post(Mailbox::Work work) { mailbox_.post(std::move(work)); }
  void expectPost() { mailbox_.expectPost(); }
  // Returns false at a timeout.
  bool runOne() {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, std::chrono::milliseconds(2), [&] { return wakes_ > 0; }))
        return false;
      --wakes_;
    }
    mailbox_.runPosted([](const Mailbox::Work& work) { work(); });
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int wakes_ = 0;  // guarded by mutex_
  Mailbox mailbox_{[this](int) {
    std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_one();
  }};
};

struct HookCall {
  Wait wait;
};

// Everything except the executor's work runs on one thread.
class Script {
 public:
  explicit Script(unsigned seed) : random_(seed) {}

  int run(int tasks) {
    for (int i = 0; i < tasks; ++i) {
      submitRun(0, 0);
      while (open_ > 8) step();
    }
    while (open_ > 0) step();
    std::printf("%d tasks settled, %d of them aborted, %d hook calls\n", settled_, aborted_, hooks_);
    return settled_ == submitted_ ? 0 : 1;
  }

 private:
  int draw(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  void step() {
    if (loop_.runOne()) return;
    // All threads wait, so answer the postponed hooks.
    while (!later_.empty()) answer(draw(static_cast<int>(later_.size())));
  }

  // Submits a run with up to three hooks, as modelRun does.
  void submitRun(int64_t parentCall, int depth) {
    auto token = std::make_shared<CancelToken>();
    const int hookCount = draw(4);
    gemlens::Task task;
    task.parentWait = parentCall;
    task.token = token;
    task.run = [this, token, hookCount, depth] {
      for (int i = 0; i < hookCount && !token->cancelled(); ++i) askHook(*token, depth);
      const bool aborted = token->cancelled();
      loop_.post([this, token, aborted] {
        ++settled_;
        --open_;
        aborted_ += aborted ? 1 : 0;
        live_.erase(std::remove(live_.begin(), live_.end(), token), live_.end());
      });
    };
    live_.push_back(token);
    ++open_;
    ++submitted_;
    executor_.submit(std::move(task));
    if (draw(12) == 0) abort();
  }

  // Runs on the executor's thread.
  void askHook(const CancelToken& token, int depth) {
    auto call = std::make_shared<HookCall>();
    call->wait.id = ++lastCall_;
    executor_.await(call->wait, token, [&] {
      loop_.post([this, call, depth] { onHook(call, depth); });
    });
  }

  void onHook(const std::shared_ptr<HookCall>& call, int depth) {
    ++hooks_;
    if (depth < 2 && draw(4) == 0) submitRun(call->wait.id, depth + 1);
    if (draw(3) == 0) {
      later_.push_back(call);
    } else {
      settle(*call);
      loop_.expectPost();
    }
    if (!later_.empty() && draw(2) == 0) answer(draw(static_cast<int>(later_.size())));
  }

  void answer(int which) {
    const auto call = later_[static_cast<size_t>(which)];
    later_.erase(later_.begin() + which);
    settle(*call);
  }

  void settle(HookCall& call) {
    call.wait.answered.store(true, std::memory_order_release);
    executor_.wake();
  }

  void abort() {
    live_[static_cast<size_t>(draw(static_cast<int>(live_.size())))]->cancel();
    executor_.wake();
    executor_.dropCancelled();
  }

  std::mt19937 random_;
  Loop loop_;
  std::atomic<int64_t> lastCall_{0};
  std::vector<std::shared_ptr<HookCall>> later_;
  std::vector<std::shared_ptr<CancelToken>> live_;
  int open_ = 0, submitted_ = 0, settled_ = 0, aborted_ = 0, hooks_ = 0;
  Executor executor_{[] {}};
};

// Stops an executor while its tasks wait for hooks that nobody answers.
void stopMidHook() {
  Executor executor([] {});
  std::atomic<int> asked{0};
  const auto never = std::make_shared<Wait>();
  never->id = 1;
  for (int i = 0; i < 4; ++i) {
    auto token = std::make_shared<CancelToken>();
    gemlens::Task task;
    task.token = token;
    task.run = [&executor, &asked, never, token] {
      executor.await(*never, *token, [&] { ++asked; });
    };
    executor.submit(std::move(task));
  }
  while (asked == 0) std::this_thread::yield();
  executor.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned seed =
      argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : std::random_device{}();
  const int tasks = argc > 2 ? std::atoi(argv[2]) : 20000;
  std::printf("seed %u\n", seed);
  for (int i = 0; i < 200; ++i) stopMidHook();
  return Script(seed).run(tasks);
}
