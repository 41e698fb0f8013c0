// Chooses the CPU's kernel table: the highest level that the CPU supports, unless GEMLENS_ISA names
// a lower one. The loader has already rejected unknown and unsupported names.
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
