// Which CPU table is used: the highest one that the CPU has, unless GEMLENS_ISA names a lower one.
// The loader has refused a name that is unknown or too high.
#pragma once

#include <vector>

#include "kernels/table.h"

namespace gemlens::kernels {

// The tables that this CPU can run, lowest first.
std::vector<const Kernels*> cpuTables();
// Chosen at the first call. nullptr if GEMLENS_ISA is "composed".
const Kernels* cpuKernels();
// The chosen table's name, or "composed".
const char* instructionSet();

}  // namespace gemlens::kernels
