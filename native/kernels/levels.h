// The instruction sets that kernels are compiled for, lowest first. To add one: a line here, a file
// kernels/<name>.cc, and a line in cmake/kernels.cmake with the compile flags that the condition
// here stands for. Plain C: the loader reads it too, to limit libtorch before it opens it.
#pragma once

#include <stddef.h>
#include <stdlib.h>

// Whether the CPU has it and the system saves its registers.
#define GEMLENS_CPU(flag) (__builtin_cpu_supports(flag) != 0)

// X(name, condition, and what limits libtorch to it:
//   ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS)
#define GEMLENS_LEVELS(X)                                                              \
  X(portable, 1, "default", "SSE41", "SSE4_2")                                         \
  X(avx2, GEMLENS_CPU("avx2") && GEMLENS_CPU("fma"), "avx2", "AVX2", "AVX2")           \
  X(avx512,                                                                            \
    GEMLENS_CPU("avx2") && GEMLENS_CPU("fma") && GEMLENS_CPU("avx512f") &&             \
        GEMLENS_CPU("avx512bw") && GEMLENS_CPU("avx512dq") && GEMLENS_CPU("avx512vl"), \
    "avx512", "AVX512_CORE", "AVX512")

// As a value of GEMLENS_ISA: no kernels; operations are composed of libtorch's own, without a limit
// on those. It is what the kernels are checked against.
#define GEMLENS_COMPOSED "composed"

// The highest instruction set that may be used; NULL if the environment does not say.
static inline const char* gemlens_isa(void) {
  const char* name = getenv("GEMLENS_ISA");
  return name == NULL || name[0] == '\0' ? NULL : name;
}
