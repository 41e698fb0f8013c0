// Encodes activations during a run: one action for each site that the coder reads.
#pragma once

#include <memory>

#include "coder/encoding.h"
#include "hooks/hook_plan.h"

namespace gemlens::coder {

class EncodeAction final : public hooks::Action {
 public:
  EncodeAction(std::shared_ptr<Encoding> encoding, size_t read, Features& slot)
      : encoding_(std::move(encoding)), read_(read), slot_(slot) {}
  Tensor apply(const Tensor& x, const hooks::Firing& firing) override {
    encoding_->add(read_, x.detach(), {hooks::pointName(firing.point), {}});
    if (encoding_->complete()) {
      slot_ = encoding_->features();
      encoding_->clear();
    }
    return x;
  }

 private:
  std::shared_ptr<Encoding> encoding_;
  size_t read_;
  Features& slot_;
};

// `slot` gets the features after the last site has fired.
inline void addEncodeActions(hooks::HookPlan& plan, const std::shared_ptr<const Coder>& coder,
                             const Tensor& realRows, Features& slot) {
  const auto encoding = std::make_shared<Encoding>(coder, realRows);
  for (size_t read = 0; read < coder->reads().size(); ++read) {
    plan.add(coder->reads()[read].point, std::make_unique<EncodeAction>(encoding, read, slot));
  }
}

}  // namespace gemlens::coder
