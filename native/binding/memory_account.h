// The bytes behind handles: V8 is told of them, so that it knows what collecting a handle would
// free, and they decide when unreachable handles are looked for.
#pragma once

#include <cstdint>

#include "binding/napi_setup.h"

namespace gemlens::binding {

class MemoryAccount {
 public:
  explicit MemoryAccount(napi_env env) : env_(env) {}

  // `loaded`: of these, what models and coders hold.
  void add(int64_t change, int64_t loaded = 0);

  // Whether so much came since the last sweep that another is due.
  bool sweepIsDue(int64_t handles) const {
    return live_ > sweepAtBytes_ || handles > sweepAtCount_;
  }
  void swept(int64_t handles);

  // Whether so much was loaded since the last collection that V8 should find out what is forgotten.
  bool collectionIsDue();
  // Makes it collect before this returns.
  void collect();
  void collected() { collectAtLoaded_ = collectionLimit(); }

 private:
  void tell(int64_t change);
  int64_t collectionLimit() const;

  napi_env env_;
  int64_t live_ = 0;
  int64_t loaded_ = 0;
  int64_t sweepAtBytes_ = int64_t{256} << 20;
  int64_t sweepAtCount_ = 20000;
  int64_t collectAtLoaded_ = int64_t{32} << 20;
};

}  // namespace gemlens::binding
