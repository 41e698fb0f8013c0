// Counts the bytes that handles hold. They are reported to V8, so that it knows what collecting a
// handle frees, and they decide when to sweep for unreachable handles.
#pragma once

#include <cstdint>

#include "binding/napi_setup.h"

namespace gemlens::binding {

class MemoryAccount {
 public:
  explicit MemoryAccount(napi_env env) : env_(env) {}

  // `loaded` is the part of the change that models and coders hold.
  void add(int64_t change, int64_t loaded = 0);

  // True if enough was added since the last sweep.
  bool sweepIsDue(int64_t handles) const {
    return live_ > sweepAtBytes_ || handles > sweepAtCount_;
  }
  void noteSweep(int64_t handles);

  // True if enough was loaded since the last collection.
  bool collectionIsDue();
  // Makes V8 collect before this returns.
  void collect();
  void noteCollection() { collectAtLoaded_ = collectionLimit(); }

 private:
  void report(int64_t change);
  int64_t collectionLimit() const;

  napi_env env_;
  int64_t live_ = 0;
  int64_t loaded_ = 0;
  int64_t sweepAtBytes_ = int64_t{256} << 20;
  int64_t sweepAtCount_ = 20000;
  int64_t collectAtLoaded_ = int64_t{32} << 20;
};

}  // namespace gemlens::binding
