#include "binding/js_hook.h"

#include <c10/core/GradMode.h>

#include "base/error.h"
#include "binding/arguments.h"

namespace gemlens::binding {
namespace {

using Outcome = HookCall::Outcome;

void answer(Environment& environment, HookCall& call) {
  // Not there: the environment was shut down inside the hook, and nobody waits any more.
  if (environment.hookCalls().erase(call.wait.id) == 0) return;
  call.wait.answered.store(true, std::memory_order_release);
  call.executor->wake();
}

// null observes, a handle replaces, false failed. True: not answered yet.
bool readAnswer(Environment& environment, napi_value value, HookCall& call) {
  napi_env env = environment.env();
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) {
    if (readBool(env, value)) return true;
    call.outcome = Outcome::Failed;
  } else if (type == napi_external) {
    try {
      call.replacement = environment.handles().tensor(value);
      call.outcome = Outcome::Replaced;
      // The run reads it until it ends.
      environment.handles().addUser(call.replacement);
      call.uses->push_back(call.replacement);
    } catch (const Error&) {
      call.outcome = Outcome::Failed;
    }
  }
  return false;
}

void callHook(Environment& environment, const HookTarget& target,
              const std::shared_ptr<HookCall>& call, int index, const Tensor& activation,
              const hooks::Position& position) {
  if (call->abandoned.load(std::memory_order_acquire)) return;
  napi_env env = environment.env();
  environment.hookCalls()[call->wait.id] = call;
  napi_value result = nullptr;
  napi_value lent = nullptr;
  napi_status status = napi_generic_failure;
  try {
    napi_value global = nullptr;
    napi_get_global(env, &global);
    lent = environment.handles().lend(activation);
    const napi_value arguments[] = {toJs(env, static_cast<double>(index)), lent,
                                    toJs(env, static_cast<double>(call->wait.id)),
                                    toJs(env, static_cast<double>(position.step)),
                                    toJs(env, static_cast<double>(position.positionOffset))};
    status = napi_call_function(env, global, target.onHook->value(), 5, arguments, &result);
  } catch (const std::exception&) {
    status = napi_generic_failure;
  }
  if (status != napi_ok) {
    // A throw that the dispatcher did not catch, or a worker that is being terminated.
    bool pending = false;
    napi_value ignored = nullptr;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
      napi_get_and_clear_last_exception(env, &ignored);
    }
    call->outcome = Outcome::Failed;
    answer(environment, *call);
    if (lent != nullptr) environment.handles().watch(lent);
    return;
  }
  if (readAnswer(environment, result, *call)) {
    environment.handles().watch(lent);
    return;
  }
  answer(environment, *call);
  environment.mailbox().expectPost();
}

}  // namespace

JsFunction::JsFunction(napi_env env, napi_value function) : env_(env) {
  if (napi_create_reference(env, function, 1, &reference_) != napi_ok) {
    throw Error(code::kArgument, "expected a function for onHook");
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

Tensor JsHookAction::apply(const Tensor& x, const hooks::Position& position) {
  if (!x.requires_grad()) return ask(x, position);
  // Under gradients the hook gets a copy, as what was recorded must not change. What it returns is
  // a constant; of what it edits in place, the elements that are not as they were.
  const Tensor lent = x.detach().clone();
  const Tensor answer = ask(lent, position);
  if (!answer.is_alias_of(lent)) return answer.detach();
  const Tensor same = answer.isclose(x.detach(), /*rtol=*/0, /*atol=*/0, /*equal_nan=*/true);
  return same.all().item<bool>() ? x : where(same, x, answer);
}

Tensor JsHookAction::ask(const Tensor& x, const hooks::Position& position) {
  // Tasks that run nested while the hook is awaited record nothing.
  const c10::AutoGradMode silent(false);
  auto call = std::make_shared<HookCall>();
  call->wait.id = target_->environment->nextCallId();
  call->executor = target_->executor;
  call->model = target_->model;
  call->parentCall = target_->parentCall;
  call->uses = target_->uses;
  target_->executor->await(call->wait, token_, [&] {
    target_->environment->mailbox().post([target = target_, call, index = index_, x, position] {
      callHook(*target->environment, *target, call, index, x, position);
    });
  });
  if (token_.cancelled()) {
    // The hook may go on for long, but no run waits for it any more.
    call->abandoned.store(true, std::memory_order_release);
    Environment* environment = target_->environment;
    environment->mailbox().post(
        [environment, id = call->wait.id] { environment->hookCalls().erase(id); });
  }
  token_.check();
  if (call->outcome == Outcome::Failed) {
    const std::string name = hooks::pointName(position.point);
    throw Error(code::kHook, "the hook at " + name + " failed", {{"hook", name}});
  }
  if (call->outcome == Outcome::Observed) return x;
  hooks::checkReplacement(position.point, x, call->replacement);
  if (!call->replacement.is_alias_of(x)) plan_.protectForeign(call->replacement);
  return call->replacement.contiguous();
}

napi_value hookSettle(Arguments& args) {
  const auto found = args.environment.hookCalls().find(readInt(args.env(), args[0]));
  if (found == args.environment.hookCalls().end()) return jsUndefined(args.env());
  const auto call = found->second;
  if (!readAnswer(args.environment, args[1], *call)) answer(args.environment, *call);
  return jsUndefined(args.env());
}

}  // namespace gemlens::binding
