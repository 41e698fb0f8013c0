// What happens at each hook point of one run. The forward asks `x = plan.at(point, layer, x)` at
// every point; where nobody listens that is one bit test.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/aten.h"
#include "hooks/hook_points.h"

namespace gemlens::hooks {

// Where a run is when a point fires.
struct Position {
  int point = 0;
  int64_t step = 0;            // 0 for a prompt, then one for each generated token
  int64_t positionOffset = 0;  // column of the first position of this run
};

// Something done at a point: a splice, an intervention, a JavaScript hook, a cache entry, an
// encoding.
class Action {
 public:
  virtual ~Action() = default;
  // The value that goes on: `x` itself (observed, or edited in place) or another tensor of its
  // shape.
  virtual Tensor apply(const Tensor& x, const Position& position) = 0;
  // Whether `apply` hands memory to someone who may write to it: such an action gets a copy when
  // anyone else holds that memory.
  virtual bool mayWrite() const { return false; }
  // Whether what goes on is a function of `x` that a gradient goes through.
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

  // Whether some action there differentiates.
  bool differentiates(BlockPoint point, int layer) const;

  Tensor at(GlobalPoint point, Tensor x) {
    return live(point) ? fire(pointId(point), std::move(x)) : x;
  }
  Tensor at(BlockPoint point, int layer, Tensor x) {
    return live(point, layer) ? fire(pointId(point, layer), std::move(x)) : x;
  }

  // A cached entry: a writing action must not change it.
  void protectEntry(const Tensor& x) { entries_.push_back(x); }
  // A tensor that the caller holds too: a writing action must not change it, and as it may change
  // under us, a cache entry of it is a copy.
  void protectForeign(const Tensor& x) { foreign_.push_back(x); }
  // Whether anyone else holds x's memory, so that writing to it would be seen elsewhere.
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

// Keeps the value in a slot that the caller owns.
class CacheAction final : public Action {
 public:
  CacheAction(HookPlan& plan, Tensor& slot) : plan_(plan), slot_(slot) {}
  Tensor apply(const Tensor& x, const Position& position) override;

 private:
  HookPlan& plan_;
  Tensor& slot_;
};

// Throws HOOK unless `got` can stand in for `expected` at this point: shape, dtype, device.
void checkReplacement(int point, const Tensor& expected, const Tensor& got);

}  // namespace gemlens::hooks
