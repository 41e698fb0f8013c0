#include "binding/env.h"

#include <c10/core/GradMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "base/device.h"
#include "base/error.h"

namespace gemlens::binding {

Environment::Environment(napi_env env) : env_(env), handles_(env) {
  napi_value name = nullptr;
  napi_create_string_utf8(env, "gemlens", NAPI_AUTO_LENGTH, &name);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Environment::drain, &bridge_);
  if (status != napi_ok)
    throw Error(code::kInternal, "the environment takes no thread-safe function");
  napi_unref_threadsafe_function(env, bridge_);
  // Added after the thread-safe function's own hook, so it runs before: the executor threads end
  // while they can still be told to. Without it a terminated worker would never exit.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->shutDown(); }, this);
}

Environment::~Environment() { shutDown(); }

void Environment::shutDown() {
  {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
    posted_.clear();
  }
  for (auto& [id, call] : hookCalls_) call->outcome = HookCall::Outcome::Failed;
  for (auto& [name, executor] : executors_) executor->stop();
  executors_.clear();
  hookCalls_.clear();
  napi_release_threadsafe_function(bridge_, napi_tsfn_abort);
}

Executor& Environment::executor(c10::Device device) {
  if (closing_) throw Error(code::kAborted, "the environment is ending");  // set on this thread
  auto& executor = executors_[deviceName(device)];
  if (!executor) {
    executor = std::make_unique<Executor>([device] {
      // No-grad, not inference mode: a cached activation must be usable in a later backward pass.
      c10::GradMode::set_enabled(false);
      if (!device.is_cpu()) c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
    });
  }
  return *executor;
}

void Environment::post(std::function<void(napi_env)> work) {
  {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;  // a call is on its way already
  }
  napi_call_threadsafe_function(bridge_, nullptr, napi_tsfn_nonblocking);
}

void Environment::drain(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // going: whoever waits has been released by shutDown
  auto* self = static_cast<Environment*>(context);
  std::vector<std::function<void(napi_env)>> work;
  {
    std::lock_guard lock(self->mutex_);
    work.swap(self->posted_);
  }
  for (auto& item : work) {
    try {
      item(env);
    } catch (...) {
      // A worker that is being terminated refuses every call: nobody is left to tell.
    }
  }
}

void Environment::taskStarted() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, bridge_);
}

void Environment::taskEnded() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, bridge_);
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
