#include "binding/memory_account.h"

#include <algorithm>

namespace gemlens::binding {
namespace {

// The bytes that may be loaded before a load looks for unreachable models and coders are half of
// those held, within these limits.
constexpr int64_t kMinLoadSlack = int64_t{32} << 20;
constexpr int64_t kMaxLoadSlack = int64_t{512} << 20;
// This exceeds any heap limit. If this much native memory is reported, V8 collects before the call
// returns.
constexpr int64_t kAboveAnyHeap = int64_t{1} << 45;

}  // namespace

void MemoryAccount::add(int64_t change, int64_t loaded) {
  loaded_ += loaded;
  live_ += change;
  report(change);
}

void MemoryAccount::report(int64_t change) {
  if (change == 0) return;
  int64_t total = 0;
  napi_adjust_external_memory(env_, change, &total);
}

void MemoryAccount::noteSweep(int64_t handles) {
  // Half of the bytes that are not models or coders: half of a model may be more than the machine
  // has.
  sweepAtBytes_ = live_ + std::max(int64_t{256} << 20, (live_ - loaded_) / 2);
  sweepAtCount_ = std::max<int64_t>(20000, handles * 2);
}

bool MemoryAccount::collectionIsDue() {
  if (loaded_ > collectAtLoaded_) return true;
  collectAtLoaded_ = std::min(collectAtLoaded_, collectionLimit());  // disposals lower the limit
  return false;
}

// V8 marks concurrently with the script, slowly on a busy machine. A loop that drops what it loads
// would otherwise be hundreds of megabytes ahead.
void MemoryAccount::collect() {
  report(kAboveAnyHeap);
  report(-kAboveAnyHeap);
}

int64_t MemoryAccount::collectionLimit() const {
  return loaded_ + std::clamp(loaded_ / 2, kMinLoadSlack, kMaxLoadSlack);
}

}  // namespace gemlens::binding
