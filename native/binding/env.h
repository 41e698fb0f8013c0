// All state of one Node environment (the main thread or a worker): handles, executors, running
// tasks, pending hook calls. It is instance data, because workers share the core's globals.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/mailbox.h"
#include "binding/handles.h"
#include "binding/napi_setup.h"

namespace gemlens::binding {

// One call of a JavaScript hook, from the request to its answer.
struct HookCall {
  Wait wait;
  enum class Outcome { Observed, Replaced, Failed } outcome = Outcome::Observed;
  Tensor replacement;
  Executor* executor = nullptr;
  const void* model = nullptr;                // the model whose run is waiting
  int64_t parentCall = 0;                     // the hook call that run was submitted from
  std::atomic<bool> abandoned{false};         // the run was aborted meanwhile
  std::shared_ptr<std::vector<Tensor>> uses;  // JS thread: tensors that the run's hooks returned
};

class Environment {
 public:
  explicit Environment(napi_env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  napi_env env() const { return env_; }
  HandleTable& handles() { return handles_; }
  Executor& executor(c10::Device device);

  // Posted work runs on the JS thread, unless the environment ends first.
  Mailbox& mailbox() { return mailbox_; }

  // JS thread. The event loop stays alive while a task is pending.
  void taskStarted();
  void taskEnded();

  // JS thread. The tokens of running tasks by task id, for abort.
  std::unordered_map<int64_t, std::shared_ptr<CancelToken>>& tokens() { return tokens_; }
  void dropCancelled();
  // JS thread. Hook calls that are not settled.
  std::unordered_map<int64_t, std::shared_ptr<HookCall>>& hookCalls() { return hookCalls_; }
  int64_t nextCallId() { return ++lastCallId_; }
  // Throws BUSY if `model`'s own run is waiting for hook call `call`, or for one that encloses it.
  void checkNotInsideOwnHook(int64_t call, const void* model) const;

  // Ends the environment's threads. None outlives this call, and none starts after it.
  void shutDown();

 private:
  static void drain(napi_env env, napi_value callback, void* context, void* data);

  napi_env env_;
  HandleTable handles_;
  napi_threadsafe_function bridges_[2] = {};  // one for each channel of the mailbox
  Mailbox mailbox_;
  bool closing_ = false;
  int64_t pending_ = 0;
  std::map<std::string, std::unique_ptr<Executor>> executors_;
  std::unordered_map<int64_t, std::shared_ptr<CancelToken>> tokens_;
  std::unordered_map<int64_t, std::shared_ptr<HookCall>> hookCalls_;
  std::atomic<int64_t> lastCallId_{0};
};

}  // namespace gemlens::binding
