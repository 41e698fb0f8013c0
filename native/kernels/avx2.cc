#define GEMLENS_LEVEL avx2
#include "kernels/cpu_level.h"
