// The kinds of native objects that JavaScript holds handles to. To add one, add a struct here and
// an alternative of Payload.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "base/aten.h"
#include "coder/coder.h"
#include "coder/features.h"
#include "intervene/interventions.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace gemlens::binding {

using ModelPtr = std::shared_ptr<const model::Transformer>;
using CoderPtr = std::shared_ptr<const coder::Coder>;
using FeaturesPtr = std::shared_ptr<const coder::Features>;
using KvCachePtr = std::shared_ptr<model::KvCache>;
// The interventions of a run or a generation, and the steps that its runs have compiled.
using InterventionsPtr = std::shared_ptr<const intervene::Interventions>;

// The alternative's index is the handle's tag.
using Payload = std::variant<Tensor, FeaturesPtr, ModelPtr, CoderPtr, KvCachePtr, InterventionsPtr>;

// The defaults of a kind.
struct AnyKind {
  // True if it is loaded from a file and large. Unreachable ones are freed before the next load.
  static constexpr bool kLoaded = false;
  // True if its size changes while it lives. HandleTable::recount updates the count.
  static constexpr bool kGrows = false;
  // The bytes that it holds in addition to the storages below. V8 must know them to see that
  // collecting it frees memory.
  template <typename T>
  static int64_t bytes(const T&) {
    return 0;
  }
  template <typename T>
  static bool onCpu(const T&) {
    return true;
  }
  // Calls `visit` with each tensor whose storage it shares. A storage counts once, however many
  // handles hold it. In-place operations on a storage that a queued task uses are rejected.
  template <typename T, typename Visit>
  static void forEachStorage(const T&, Visit) {}
};

template <typename T>
struct HandleKind;

template <>
struct HandleKind<Tensor> : AnyKind {
  static constexpr const char* kName = "a tensor";
  template <typename Visit>
  static void forEachStorage(const Tensor& tensor, Visit visit) {
    visit(tensor);
  }
};

template <>
struct HandleKind<FeaturesPtr> : AnyKind {
  static constexpr const char* kName = "features";
  template <typename Visit>
  static void forEachStorage(const FeaturesPtr& features, Visit visit) {
    const auto& rows = features->rows;
    for (const Tensor* part : {&rows.indptr, &rows.indices, &rows.values}) visit(*part);
  }
};

template <>
struct HandleKind<ModelPtr> : AnyKind {
  static constexpr const char* kName = "a model";
  static constexpr bool kLoaded = true;
  static int64_t bytes(const ModelPtr& model) { return model->weights().bytes(); }
  static bool onCpu(const ModelPtr& model) { return model->device().is_cpu(); }
};

template <>
struct HandleKind<CoderPtr> : AnyKind {
  static constexpr const char* kName = "a coder";
  static constexpr bool kLoaded = true;
  static int64_t bytes(const CoderPtr& coder) { return coder->bytes(); }
  static bool onCpu(const CoderPtr& coder) { return coder->device().is_cpu(); }
};

template <>
struct HandleKind<KvCachePtr> : AnyKind {
  static constexpr const char* kName = "a key-value cache";
  static constexpr bool kGrows = true;
  static int64_t bytes(const KvCachePtr& cache) { return cache->bytes(); }
  static bool onCpu(const KvCachePtr& cache) { return cache->device().is_cpu(); }
};

template <>
struct HandleKind<InterventionsPtr> : AnyKind {
  static constexpr const char* kName = "interventions";
  template <typename Visit>
  static void forEachStorage(const InterventionsPtr& interventions, Visit visit) {
    intervene::forEachTensor(*interventions, visit);
  }
};

// Calls `visit(kind, value)` with a payload's kind and value.
template <typename Visit>
auto visitKind(const Payload& payload, Visit visit) {
  return std::visit(
      [&](const auto& value) { return visit(HandleKind<std::decay_t<decltype(value)>>(), value); },
      payload);
}

// The tag of a kind.
template <typename T, size_t tag = 0>
constexpr size_t tagOf() {
  if constexpr (std::is_same_v<T, std::variant_alternative_t<tag, Payload>>) {
    return tag;
  } else {
    return tagOf<T, tag + 1>();
  }
}

// The name of a kind by tag, such as "a tensor".
const char* kindName(size_t tag);

}  // namespace gemlens::binding
