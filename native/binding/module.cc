// The core's entry point: one Environment per Node environment, and the export list.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/GradMode.h>
#include <omp.h>
#include <torch/version.h>

#include "base/allocator.h"
#include "base/device.h"
#include "binding/tensors.h"
#include "kernels/choose.h"
#include "ops/kernels.h"

namespace gemlens::binding {
namespace {

napi_value info(Arguments& args) {
  Napi::Env env(args.env());
  Napi::Object out = Napi::Object::New(env);
  out.Set("version", GEMLENS_VERSION);
  out.Set("torch", TORCH_VERSION);
  out.Set("cuda", cudaAvailable());
  out.Set("cudaDevices", cudaDeviceCount());
  out.Set("threads", omp_get_num_procs());
  out.Set("cpuCapability", at::get_cpu_capability());
  out.Set("instructionSet", kernels::instructionSet());
  Napi::Array sets = Napi::Array::New(env);
  for (const kernels::Kernels* table : kernels::cpuTables()) sets.Set(sets.Length(), table->name);
  out.Set("instructionSets", sets);
  out.Set("allocator", cachingAllocatorInstalled() ? "caching" : "system");
  return out;
}

napi_value memory(Arguments& args) {
  args.handles().sweep();
  const MemoryUse use = args.handles().use();
  const AllocatorStats stats = allocatorStats();
  Napi::Env env(args.env());
  Napi::Object out = Napi::Object::New(env);
  out.Set("handles", static_cast<double>(use.handles));
  out.Set("tensors", static_cast<double>(use.tensors));
  out.Set("cpuBytes", static_cast<double>(use.cpuBytes));
  out.Set("cudaBytes", static_cast<double>(use.cudaBytes));
  out.Set("allocatedBytes", static_cast<double>(stats.allocated));
  out.Set("reservedBytes", static_cast<double>(stats.reserved));
  return out;
}

napi_value releaseMemory(Arguments& args) {
  args.handles().sweep();
  releaseCachedBlocks();
  return jsUndefined(args.env());
}

napi_value cudaProbe(Arguments& args) {
  ops::probeCudaPlugin();
  return jsUndefined(args.env());
}

napi_value shutDown(Arguments& args) {
  args.environment.shutDown();
  return jsUndefined(args.env());
}

napi_value abortTask(Arguments& args) {
  auto& tokens = args.environment.tokens();
  const auto found = tokens.find(parseInt(args.env(), args[0]));
  if (found != tokens.end()) {
    found->second->cancel();
    args.environment.dropCancelled();
  }
  return jsUndefined(args.env());
}

}  // namespace

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  installAllocator();
  // Small operations run on the calling thread. They need neither a thread team nor a graph.
  // at::get_num_threads makes libtorch do its own per-thread set-up first.
  c10::GradMode::set_enabled(false);
  at::get_num_threads();
  omp_set_num_threads(1);
  auto* environment = new Environment(env);
  napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); },
      nullptr);
  define<info>(*environment, exports, "info");
  define<memory>(*environment, exports, "memory");
  define<releaseMemory>(*environment, exports, "releaseMemory");
  define<cudaProbe>(*environment, exports, "cudaProbe");
  define<shutDown>(*environment, exports, "shutDown");
  define<abortTask>(*environment, exports, "abort");
  exportTensors(*environment, exports);
  exportVocabulary(*environment, exports);
  exportGradients(*environment, exports);
  exportCoders(*environment, exports);
  exportFeatures(*environment, exports);
  exportModels(*environment, exports);
  return exports;
}

NODE_API_MODULE(gemlens_core, initialize)

}  // namespace gemlens::binding
