// Promises over executor tasks.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "binding/arguments.h"

namespace gemlens::binding {

// Makes the promise's value on the JS thread.
using Finish = std::function<napi_value(napi_env)>;
// Runs on the executor's thread.
using Work = std::function<Finish(const CancelToken&)>;

struct TaskContext {
  int64_t call = 0;
  int64_t task = 0;
};
TaskContext parseContext(const Arguments& args, size_t index);

struct TaskOptions {
  std::vector<Tensor> uses;         // in-place operations on these are rejected meanwhile
  std::function<void()> onSettled;  // JS thread, just before the promise settles
};

// Queues `work` on the device's executor and returns the promise. The work must capture what it
// needs by value.
napi_value submit(Environment& environment, c10::Device device, const TaskContext& context,
                  Work work, TaskOptions options = {});

// The promise's value is a new handle of `payload`.
Finish finishHandle(Environment& environment, Payload payload);

}  // namespace gemlens::binding
