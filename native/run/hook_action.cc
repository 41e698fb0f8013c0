#include "run/hook_action.h"

#include <c10/core/GradMode.h>

namespace gemlens::run {

Tensor HookAction::apply(const Tensor& x, const hooks::Position& position) {
  if (!x.requires_grad()) return ask(x, position);
  // Under gradients the hook gets a copy, because recorded tensors must not change. A returned
  // tensor is a constant. After an in-place edit, only the changed elements are constants.
  const Tensor lent = x.detach().clone();
  const Tensor answer = ask(lent, position);
  if (!answer.is_alias_of(lent)) return answer.detach();
  const Tensor same = answer.isclose(x.detach(), /*rtol=*/0, /*atol=*/0, /*equal_nan=*/true);
  return same.all().item<bool>() ? x : where(same, x, answer);
}

Tensor HookAction::ask(const Tensor& x, const hooks::Position& position) {
  // Nested tasks that run during the wait must not record gradients.
  const c10::AutoGradMode silent(false);
  const Tensor replacement = caller_->hook(index_, x, position, token_);
  if (!replacement.defined()) return x;
  hooks::checkReplacement(position.point, x, replacement);
  if (!replacement.is_alias_of(x)) plan_.protectForeign(replacement);
  return replacement.contiguous();
}

Tensor askMetric(Caller& caller, const Tensor& logits, const CancelToken& token) {
  const c10::AutoGradMode silent(false);
  const Tensor gradient = caller.metric(logits, token);
  if (!gradient.defined() || !gradient.sizes().equals(logits.sizes()) ||
      gradient.scalar_type() != logits.scalar_type() || gradient.device() != logits.device()) {
    throw Error(code::kHook, "the metric failed: expected the gradient at its logits",
                {{"hook", std::string("metric")}});
  }
  return gradient.contiguous();
}

}  // namespace gemlens::run
