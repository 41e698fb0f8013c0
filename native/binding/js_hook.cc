#include "binding/js_hook.h"

#include "base/error.h"
#include "binding/arguments.h"

namespace gemlens::binding {
namespace {

using Outcome = HookCall::Outcome;

void markAnswered(Environment& environment, HookCall& call) {
  // If the call is gone, the environment was shut down inside the hook and nobody is waiting.
  if (environment.hookCalls().erase(call.wait.id) == 0) return;
  call.wait.answered.store(true, std::memory_order_release);
  call.executor->wake();
}

// Parses a hook's answer: null keeps x, a handle replaces it, false means that the hook failed.
// Returns true if the hook has not answered yet.
bool parseAnswer(Environment& environment, napi_value value, HookCall& call) {
  napi_env env = environment.env();
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) {
    if (parseBool(env, value)) return true;
    call.outcome = Outcome::Failed;
  } else if (type == napi_external) {
    try {
      call.replacement = environment.handles().tensor(value);
      call.outcome = Outcome::Replaced;
      // The run uses the tensor until it ends.
      environment.handles().addUser(call.replacement);
      call.uses->push_back(call.replacement);
    } catch (const Error&) {
      call.outcome = Outcome::Failed;
    }
  }
  return false;
}

constexpr int kMetric = -1;

// A call that the executor asks the JS thread to make.
struct Question {
  std::shared_ptr<const HookTarget> target;
  Tensor x;
  int hook;  // index in the request, or kMetric
  hooks::Firing firing;
};

napi_status callFunction(napi_env env, const Question& question, int64_t callId,
                         napi_value borrowed, napi_value* result) {
  napi_value global = nullptr;
  napi_get_global(env, &global);
  const HookTarget& target = *question.target;
  const auto number = [&](int64_t value) { return toJs(env, static_cast<double>(value)); };
  if (question.hook == kMetric) {
    const napi_value arguments[] = {borrowed, number(callId)};
    return napi_call_function(env, global, target.onMetric->value(), 2, arguments, result);
  }
  const hooks::Firing& firing = question.firing;
  const napi_value arguments[] = {number(question.hook), borrowed, number(callId),
                                  number(firing.step), number(firing.positionOffset)};
  return napi_call_function(env, global, target.onHook->value(), 5, arguments, result);
}

void askScript(const Question& question, const std::shared_ptr<HookCall>& call) {
  if (call->abandoned.load(std::memory_order_acquire)) return;
  Environment& environment = *question.target->environment;
  napi_env env = environment.env();
  environment.hookCalls()[call->wait.id] = call;
  napi_value result = nullptr;
  napi_value borrowed = nullptr;
  napi_status status = napi_generic_failure;
  try {
    borrowed = environment.handles().createBorrowed(question.x);
    status = callFunction(env, question, call->wait.id, borrowed, &result);
  } catch (const std::exception&) {
    status = napi_generic_failure;
  }
  if (status != napi_ok) {
    // Either the dispatcher did not catch a throw, or this worker is being terminated.
    bool pending = false;
    napi_value ignored = nullptr;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
      napi_get_and_clear_last_exception(env, &ignored);
    }
    call->outcome = Outcome::Failed;
    markAnswered(environment, *call);
    if (borrowed != nullptr) environment.handles().watch(borrowed);
    return;
  }
  if (parseAnswer(environment, result, *call)) {
    environment.handles().watch(borrowed);
    return;
  }
  markAnswered(environment, *call);
  environment.mailbox().expectPost();
}

// Executor's thread: waits until the question is answered.
std::shared_ptr<const HookCall> await(Question question, const CancelToken& token) {
  const HookTarget& target = *question.target;
  auto call = std::make_shared<HookCall>();
  call->wait.id = target.environment->nextCallId();
  call->executor = target.executor;
  call->model = target.model;
  call->parentCall = target.parentCall;
  call->uses = target.uses;
  Environment* environment = target.environment;
  target.executor->await(call->wait, token, [&] {
    environment->mailbox().post(
        [question = std::move(question), call] { askScript(question, call); });
  });
  if (token.cancelled()) {
    // The script may still run for long, but no run waits for it now.
    call->abandoned.store(true, std::memory_order_release);
    environment->mailbox().post(
        [environment, id = call->wait.id] { environment->hookCalls().erase(id); });
  }
  token.check();
  return call;
}

}  // namespace

JsFunction::JsFunction(napi_env env, napi_value function, const char* name) : env_(env) {
  if (napi_create_reference(env, function, 1, &reference_) != napi_ok) {
    throw Error(code::kArgument, concat("expected a function for ", name));
  }
}

void JsFunction::release() {
  if (reference_ != nullptr) napi_delete_reference(env_, reference_);
  reference_ = nullptr;
}

napi_value JsFunction::value() const {
  napi_value function = nullptr;
  if (reference_ != nullptr) napi_get_reference_value(env_, reference_, &function);
  return function;
}

JsCallbacks::JsCallbacks(Environment& environment, const run::Request& request, bool hasMetric,
                         int64_t parentCall, napi_value object)
    : target_(std::make_shared<HookTarget>()) {
  napi_env env = environment.env();
  target_->environment = &environment;
  target_->executor = &environment.executor(request.model->device());
  target_->model = request.model.get();
  target_->parentCall = parentCall;
  napi_value onHook = request.hooks.empty() ? nullptr : property(env, object, "onHook");
  napi_value onMetric = hasMetric ? property(env, object, "onMetric") : nullptr;
  if (onHook != nullptr) target_->onHook = std::make_shared<JsFunction>(env, onHook, "onHook");
  if (onMetric == nullptr) return;
  try {
    target_->onMetric = std::make_shared<JsFunction>(env, onMetric, "onMetric");
  } catch (const Error&) {
    if (target_->onHook) target_->onHook->release();
    throw;
  }
}

void JsCallbacks::settled() {
  for (const Tensor& tensor : *target_->uses) target_->environment->handles().removeUser(tensor);
  target_->uses->clear();
  for (const auto& function : {target_->onHook, target_->onMetric}) {
    if (function) function->release();
  }
}

Tensor JsCallbacks::hook(int index, const Tensor& x, const hooks::Firing& firing,
                         const CancelToken& token) {
  const auto call = await({target_, x, index, firing}, token);
  if (call->outcome == Outcome::Failed) {
    const std::string name = hooks::pointName(firing.point);
    throw Error(code::kHook, "the hook at " + name + " failed", {{"hook", name}});
  }
  return call->outcome == Outcome::Observed ? Tensor() : call->replacement;
}

Tensor JsCallbacks::metric(const Tensor& logits, const CancelToken& token) {
  const auto call = await({target_, logits, kMetric, {}}, token);
  return call->outcome == Outcome::Replaced ? call->replacement : Tensor();
}

napi_value hookSettle(Arguments& args) {
  const auto found = args.environment.hookCalls().find(parseInt(args.env(), args[0]));
  if (found == args.environment.hookCalls().end()) return jsUndefined(args.env());
  const auto call = found->second;
  if (!parseAnswer(args.environment, args[1], *call)) markAnswered(args.environment, *call);
  return jsUndefined(args.env());
}

}  // namespace gemlens::binding
