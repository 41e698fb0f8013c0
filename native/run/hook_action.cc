#include "run/hook_action.h"

#include <c10/core/GradMode.h>

namespace gemlens::run {

Tensor HookAction::apply(const Tensor& x, const hooks::Firing& firing) {
  if (!x.requires_grad()) return ask(x, firing);
  // Under gradients the hook gets a copy, because recorded tensors must not change. A returned
  // tensor is a constant. After an in-place edit, only the changed elements are constants.
  const Tensor copy = x.detach().clone();
  const Tensor answer = ask(copy, firing);
  if (!answer.is_alias_of(copy)) return answer.detach();
  const Tensor same = answer.isclose(x.detach(), /*rtol=*/0, /*atol=*/0, /*equal_nan=*/true);
  return same.all().item<bool>() ? x : where(same, x, answer);
}

Tensor HookAction::ask(const Tensor& x, const hooks::Firing& firing) {
  // Nested tasks that run during the wait must not record gradients.
  const c10::AutoGradMode silent(false);
  const Tensor replacement = callbacks_->hook(index_, x, firing, token_);
  if (!replacement.defined()) return x;
  hooks::checkReplacement(firing.point, x, replacement);
  if (!replacement.is_alias_of(x)) plan_.protectForeign(replacement);
  return replacement.contiguous();
}

Tensor askMetric(Callbacks& callbacks, const Tensor& logits, const CancelToken& token) {
  const c10::AutoGradMode silent(false);
  const Tensor gradient = callbacks.metric(logits, token);
  if (!gradient.defined() || !gradient.sizes().equals(logits.sizes()) ||
      gradient.scalar_type() != logits.scalar_type() || gradient.device() != logits.device()) {
    throw Error(code::kHook, "the metric failed: expected the gradient at its logits",
                {{"hook", std::string("metric")}});
  }
  return gradient.contiguous();
}

}  // namespace gemlens::run
