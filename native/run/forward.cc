#include "run/forward.h"

#include "run/diagnosis.h"

namespace gemlens::run {

Forward forward(const Request& request, const CancelToken& token) {
  Plan plan(request, token);
  plan.addCache();
  Forward out;
  try {
    out.result = request.model->run(plan.pass(), plan.hooks(), token);
  } catch (const ops::NotFiniteLogits& error) {
    explain(error, request, plan, token);
  }
  out.recorded = plan.finish();
  return out;
}

}  // namespace gemlens::run
