// The actions at each hook point of one run. The forward calls `x = plan.at(point, layer, x)` at
// every point. A point without actions costs one bit test.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/aten.h"
#include "hooks/hook_points.h"

namespace gemlens::hooks {

// One firing of a hook point, with the run's progress.
struct Firing {
  int point = 0;
  int64_t step = 0;            // 0 for a prompt, 1 more for each generated token
  int64_t positionOffset = 0;  // column of the first position of this run
};

// An action at a point: a splice, an intervention, a JavaScript hook, a cache entry or an encoding.
class Action {
 public:
  virtual ~Action() = default;
  // Returns the value that the run continues with: `x` itself (observed or edited in place), or
  // another tensor of its shape.
  virtual Tensor apply(const Tensor& x, const Firing& firing) = 0;
  // True if `apply` may write to x's memory, or hand it to code that may. Such an action gets a
  // copy if anyone else holds that memory.
  virtual bool mayWrite() const { return false; }
  // True if the result is a differentiable function of `x`.
  virtual bool differentiates() const { return false; }
};

class HookPlan {
 public:
  explicit HookPlan(int layers);

  // Actions at one point run in the order they were added.
  void add(int point, std::unique_ptr<Action> action);

  bool live(int id) const { return (bits_[static_cast<size_t>(id) >> 6] >> (id & 63)) & 1; }
  bool live(GlobalPoint point) const { return live(pointId(point)); }
  bool live(BlockPoint point, int layer) const { return live(pointId(point, layer)); }

  // True if an action at the point differentiates.
  bool differentiates(BlockPoint point, int layer) const;

  Tensor at(GlobalPoint point, Tensor x) {
    return live(point) ? fire(pointId(point), std::move(x)) : x;
  }
  Tensor at(BlockPoint point, int layer, Tensor x) {
    return live(point, layer) ? fire(pointId(point, layer), std::move(x)) : x;
  }

  // Protects a cached entry: a writing action must not change it.
  void protectEntry(const Tensor& x) { entries_.push_back(x); }
  // Protects a tensor that the caller also holds. A writing action must not change it. The caller
  // may change it at any time, so a cache entry of it is a copy.
  void protectForeign(const Tensor& x) { foreign_.push_back(x); }
  // True if anyone else holds x's memory and would see writes to it.
  bool isHeld(const Tensor& x) const {
    return sharesMemory(entries_, x) || sharesMemory(foreign_, x);
  }

  void setProgress(int64_t step, int64_t positionOffset) {
    step_ = step;
    positionOffset_ = positionOffset;
  }

 private:
  Tensor fire(int id, Tensor x);
  static bool sharesMemory(const std::vector<Tensor>& held, const Tensor& x);

  std::vector<uint64_t> bits_;
  std::unordered_map<int, std::vector<std::unique_ptr<Action>>> actions_;
  std::vector<Tensor> entries_;
  std::vector<Tensor> foreign_;
  int64_t step_ = 0;
  int64_t positionOffset_ = 0;
};

// Stores the value in `slot`, which the caller owns.
class CacheAction final : public Action {
 public:
  CacheAction(HookPlan& plan, Tensor& slot) : plan_(plan), slot_(slot) {}
  Tensor apply(const Tensor& x, const Firing& firing) override;

 private:
  HookPlan& plan_;
  Tensor& slot_;
};

// Throws HOOK unless `got` has the shape, dtype and device of `expected`.
void checkReplacement(int point, const Tensor& expected, const Tensor& got);

}  // namespace gemlens::hooks
