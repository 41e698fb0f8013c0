#include "binding/env.h"

#include <c10/core/GradMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "base/device.h"
#include "base/error.h"

namespace gemlens::binding {

Environment::Environment(napi_env env)
    : env_(env), handles_(env), mailbox_([this](int channel) {
        napi_call_threadsafe_function(bridges_[channel], nullptr, napi_tsfn_nonblocking);
      }) {
  napi_value name = nullptr;
  napi_create_string_utf8(env, "gemlens", NAPI_AUTO_LENGTH, &name);
  for (auto& bridge : bridges_) {
    const napi_status status = napi_create_threadsafe_function(
        env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Environment::drain, &bridge);
    if (status != napi_ok)
      throw Error(code::kInternal, "the environment takes no thread-safe function");
    napi_unref_threadsafe_function(env, bridge);
  }
  // This hook is added after those of the thread-safe functions, so it runs before them and can
  // still stop the executor threads. Without it, a terminated worker would never exit.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->shutDown(); }, this);
}

Environment::~Environment() { shutDown(); }

void Environment::shutDown() {
  if (closing_) return;
  closing_ = true;
  mailbox_.close();
  for (auto& [id, call] : hookCalls_) call->outcome = HookCall::Outcome::Failed;
  // Stop the executors but keep them: a hook that ended the environment is still on this thread's
  // stack.
  for (auto& [name, executor] : executors_) executor->stop();
  hookCalls_.clear();
  for (const auto bridge : bridges_) napi_release_threadsafe_function(bridge, napi_tsfn_abort);
}

Executor& Environment::executor(c10::Device device) {
  if (closing_)
    throw Error(code::kAborted, "the environment is ending");  // only this thread sets closing_
  auto& executor = executors_[deviceName(device)];
  if (!executor) {
    executor = std::make_unique<Executor>([device] {
      // Use no-grad instead of inference mode: a cached activation must be usable in a later
      // backward pass.
      c10::GradMode::set_enabled(false);
      if (!device.is_cpu()) c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
    });
  }
  return *executor;
}

// Node calls this once for each wake of the mailbox. If a wake comes while it runs, Node calls it
// again without a turn of the event loop. Each call has its own handle scope, and runs after the
// ticks and promise jobs of the previous call.
void Environment::drain(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is ending; shutDown has released all waits
  static_cast<Environment*>(context)->mailbox_.runPosted([](const Mailbox::Work& work) {
    try {
      work();
    } catch (...) {
      // Every call fails in a worker that is being terminated, and nobody is left to report it to.
    }
  });
}

void Environment::taskStarted() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, bridges_[0]);
}

void Environment::taskEnded() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, bridges_[0]);
}

void Environment::dropCancelled() {
  for (auto& [name, executor] : executors_) {
    executor->wake();
    executor->dropCancelled();
  }
}

void Environment::checkNotInsideOwnHook(int64_t call, const void* model) const {
  while (call != 0) {
    const auto found = hookCalls_.find(call);
    if (found == hookCalls_.end()) return;
    if (found->second->model == model) {
      throw Error(
          code::kBusy,
          "forward: this model's own run is waiting for the hook that calls it; run another model, "
          "or call it after the hook has returned");
    }
    call = found->second->parentCall;
  }
}

}  // namespace gemlens::binding
