// The instruction sets that kernels are compiled for, lowest first. To add one, add a line here, a
// file kernels/<name>.cc, and a line in cmake/kernels.cmake. The condition here must cover the
// compile flags there. This is plain C, because the loader includes it to limit libtorch before
// opening it.
#pragma once

#include <stddef.h>
#include <stdlib.h>

// True if the CPU supports it and the system saves its registers.
#define GEMLENS_CPU(flag) (__builtin_cpu_supports(flag) != 0)

// X(name, condition, then the values that limit libtorch to it:
//   ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS)
#define GEMLENS_LEVELS(X)                                                              \
  X(portable, 1, "default", "SSE41", "SSE4_2")                                         \
  X(avx2, GEMLENS_CPU("avx2") && GEMLENS_CPU("fma"), "avx2", "AVX2", "AVX2")           \
  X(avx512,                                                                            \
    GEMLENS_CPU("avx2") && GEMLENS_CPU("fma") && GEMLENS_CPU("avx512f") &&             \
        GEMLENS_CPU("avx512bw") && GEMLENS_CPU("avx512dq") && GEMLENS_CPU("avx512vl"), \
    "avx512", "AVX512_CORE", "AVX512")

// The value of GEMLENS_ISA without kernels: operations are composed of libtorch's own, which are
// not limited. The kernels are tested against it.
#define GEMLENS_COMPOSED "composed"

// The highest instruction set allowed; NULL if GEMLENS_ISA is unset or empty.
static inline const char* gemlens_isa(void) {
  const char* name = getenv("GEMLENS_ISA");
  return name == NULL || name[0] == '\0' ? NULL : name;
}
