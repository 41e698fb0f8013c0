#include "kernels/choose.h"

#include <cstring>

#include "kernels/levels.h"

namespace gemlens::kernels {

#define GEMLENS_DECLARE(name, ...) extern const Kernels name;
GEMLENS_LEVELS(GEMLENS_DECLARE)

namespace {

const Kernels* choose() {
  const char* highest = gemlens_isa();
  if (highest != nullptr && std::strcmp(highest, GEMLENS_COMPOSED) == 0) return nullptr;
  const Kernels* chosen = nullptr;
  for (const Kernels* table : cpuTables()) {
    chosen = table;
    if (highest != nullptr && std::strcmp(highest, table->name) == 0) break;
  }
  return chosen;
}

}  // namespace

std::vector<const Kernels*> cpuTables() {
  std::vector<const Kernels*> tables;
#define GEMLENS_COLLECT(name, condition, ...) \
  if (condition) tables.push_back(&name);
  GEMLENS_LEVELS(GEMLENS_COLLECT)
  return tables;
}

const Kernels* cpuKernels() {
  static const Kernels* const chosen = choose();
  return chosen;
}

const char* instructionSet() {
  return cpuKernels() == nullptr ? GEMLENS_COMPOSED : cpuKernels()->name;
}

}  // namespace gemlens::kernels
