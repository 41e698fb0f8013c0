#include "binding/tasks.h"

namespace gemlens::binding {
namespace {

struct Pending {
  napi_deferred deferred = nullptr;
  std::shared_ptr<CancelToken> token = std::make_shared<CancelToken>();
  TaskContext context;
  TaskOptions options;
  Work work;
  Finish finish;
  std::exception_ptr error;
};

void settle(Environment& environment, Pending& pending) {
  napi_env env = environment.env();
  for (const Tensor& tensor : pending.options.uses) environment.handles().removeUser(tensor);
  if (pending.context.task != 0) environment.tokens().erase(pending.context.task);
  napi_value value = nullptr;
  if (!pending.error) {
    try {
      value = pending.finish(env);
    } catch (...) {
      pending.error = std::current_exception();
    }
  }
  if (pending.options.onSettled) pending.options.onSettled();
  environment.taskEnded();
  // Do this last: making the error throws if the environment is being terminated.
  if (pending.error) {
    napi_reject_deferred(env, pending.deferred, toJsError(env, pending.error));
  } else {
    napi_resolve_deferred(env, pending.deferred, value);
  }
}

}  // namespace

TaskContext parseContext(const Arguments& args, size_t index) {
  TaskContext context;
  if (args.absent(index)) return context;
  context.call = parseInt(args.env(), property(args.env(), args[index], "call"));
  context.task = parseInt(args.env(), property(args.env(), args[index], "task"));
  return context;
}

napi_value submit(Environment& environment, c10::Device device, const TaskContext& context,
                  Work work, TaskOptions options) {
  Executor& executor = environment.executor(device);
  auto pending = std::make_shared<Pending>();
  napi_value promise = nullptr;
  if (napi_create_promise(environment.env(), &pending->deferred, &promise) != napi_ok) {
    throw Error(code::kInternal, "the environment makes no promise");
  }
  pending->context = context;
  pending->options = std::move(options);
  pending->work = std::move(work);
  for (const Tensor& tensor : pending->options.uses) environment.handles().addUser(tensor);
  if (context.task != 0) environment.tokens()[context.task] = pending->token;
  environment.taskStarted();

  Task task;
  task.parentWait = context.call;
  task.token = pending->token;
  task.run = [pending, &environment] {
    try {
      pending->token->check();
      pending->finish = pending->work(*pending->token);
      pending->token->check();
    } catch (...) {
      pending->error = std::current_exception();
    }
    // Release it here, so that a model is usually freed on the executor's thread, not on the JS
    // thread.
    pending->work = nullptr;
    environment.mailbox().post([pending, &environment] { settle(environment, *pending); });
  };
  executor.submit(std::move(task));
  return promise;
}

Finish finishHandle(Environment& environment, Payload payload) {
  return [&environment, payload = std::move(payload)](napi_env) {
    return environment.handles().create(payload);
  };
}

}  // namespace gemlens::binding
