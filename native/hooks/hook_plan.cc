#include "hooks/hook_plan.h"

#include "base/device.h"
#include "base/dtype.h"
#include "base/error.h"

namespace gemlens::hooks {

HookPlan::HookPlan(int layers) : bits_(static_cast<size_t>(pointCount(layers) + 63) / 64) {}

void HookPlan::add(int point, std::unique_ptr<Action> action) {
  bits_[static_cast<size_t>(point) >> 6] |= uint64_t{1} << (point & 63);
  actions_[point].push_back(std::move(action));
}

bool HookPlan::differentiates(BlockPoint point, int layer) const {
  if (!live(point, layer)) return false;
  for (const auto& action : actions_.at(pointId(point, layer))) {
    if (action->differentiates()) return true;
  }
  return false;
}

bool HookPlan::sharesMemory(const std::vector<Tensor>& held, const Tensor& x) {
  for (const Tensor& other : held) {
    if (other.is_alias_of(x)) return true;
  }
  return false;
}

Tensor HookPlan::fire(int id, Tensor x) {
  const Firing firing{id, step_, positionOffset_};
  for (const auto& action : actions_.at(id)) {
    if (action->mayWrite()) {
      x = x.contiguous();
      if (isHeld(x)) x = x.clone();
    }
    x = action->apply(x, firing);
  }
  return x;
}

Tensor CacheAction::apply(const Tensor& x, const Firing&) {
  slot_ =
      plan_.isHeld(x) ? x.detach().clone(at::MemoryFormat::Contiguous) : x.detach().contiguous();
  plan_.protectEntry(slot_);
  return x;
}

void checkReplacement(int point, const Tensor& expected, const Tensor& got) {
  const std::string name = pointName(point);
  if (got.sizes() != expected.sizes()) {
    throw Error(code::kHook,
                concat(name, ": expected ", formatShape(expected.sizes()), " from the hook, got ",
                       formatShape(got.sizes())),
                {{"hook", name}, {"expected", expected.sizes().vec()}, {"got", got.sizes().vec()}});
  }
  if (got.scalar_type() != expected.scalar_type()) {
    const std::string wanted = dtypeName(expected.scalar_type());
    const std::string came = dtypeName(got.scalar_type());
    throw Error(code::kHook,
                concat(name, ": expected dtype ", wanted, " from the hook, got ", came),
                {{"hook", name}, {"expected", wanted}, {"got", came}});
  }
  if (got.device() != expected.device()) {
    const std::string wanted = deviceName(expected.device());
    const std::string came = deviceName(got.device());
    throw Error(code::kHook,
                concat(name, ": expected a tensor on ", wanted, " from the hook, got ", came),
                {{"hook", name}, {"expected", wanted}, {"got", came}});
  }
}

}  // namespace gemlens::hooks
