// Adds a direction to activations, or removes one.
#pragma once

#include <optional>

#include "hooks/hook_plan.h"
#include "intervene/rows.h"

namespace gemlens::intervene {

// x + α·v (activation addition, arXiv 2308.10248). A cap c limits the projection on v̂ to c: δ =
// min(α‖v‖, max(0, c − x·v̂)) for α > 0, mirrored for α < 0.
class SteerAction final : public hooks::Action {
 public:
  // `vector` is flattened; `rows` [n] int64 or undefined (all).
  SteerAction(Tensor vector, double coefficient, std::optional<double> cap, Tensor rows)
      : vector_(std::move(vector)), coefficient_(coefficient), cap_(cap), rows_(std::move(rows)) {}
  Tensor apply(const Tensor& x, const hooks::Firing& firing) override;
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  Tensor vector_;
  double coefficient_;
  std::optional<double> cap_;
  Tensor rows_;
};

// x − (x·v̂)v̂ (directional ablation, arXiv 2406.11717).
class ProjectAction final : public hooks::Action {
 public:
  ProjectAction(Tensor vector, Tensor rows) : vector_(std::move(vector)), rows_(std::move(rows)) {}
  Tensor apply(const Tensor& x, const hooks::Firing& firing) override;
  bool mayWrite() const override { return writesInPlace(); }
  bool differentiates() const override { return true; }

 private:
  Tensor vector_;
  Tensor rows_;
};

}  // namespace gemlens::intervene
