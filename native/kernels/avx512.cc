#define GEMLENS_LEVEL avx512
#include "kernels/cpu_level.h"
