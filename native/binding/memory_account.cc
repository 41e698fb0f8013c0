#include "binding/memory_account.h"

#include <algorithm>

namespace gemlens::binding {
namespace {

// So much may be loaded, and half of what is held (but no more than 512 MB), before a load looks
// for models and coders that were forgotten.
constexpr int64_t kLoadSlack = int64_t{32} << 20;
constexpr int64_t kMostLoadSlack = int64_t{512} << 20;
// More than any heap's limit: told of so much native memory, V8 collects before the call returns.
constexpr int64_t kUnbearable = int64_t{1} << 45;

}  // namespace

void MemoryAccount::add(int64_t change, int64_t loaded) {
  loaded_ += loaded;
  live_ += change;
  tell(change);
}

void MemoryAccount::tell(int64_t change) {
  if (change == 0) return;
  int64_t total = 0;
  napi_adjust_external_memory(env_, change, &total);
}

void MemoryAccount::swept(int64_t handles) {
  // Half of what comes and goes: half of a model's bytes may be more than the machine has.
  sweepAtBytes_ = live_ + std::max(int64_t{256} << 20, (live_ - loaded_) / 2);
  sweepAtCount_ = std::max<int64_t>(20000, handles * 2);
}

bool MemoryAccount::collectionIsDue() {
  if (loaded_ > collectAtLoaded_) return true;
  collectAtLoaded_ = std::min(collectAtLoaded_, collectionLimit());  // after disposals
  return false;
}

// V8 marks while the script goes on, and on a busy machine takes its time: a loop that forgets what
// it loads would be hundreds of megabytes ahead.
void MemoryAccount::collect() {
  tell(kUnbearable);
  tell(-kUnbearable);
}

int64_t MemoryAccount::collectionLimit() const {
  return loaded_ + std::clamp(loaded_ / 2, kLoadSlack, kMostLoadSlack);
}

}  // namespace gemlens::binding
