#define GEMLENS_LEVEL portable
#include "kernels/cpu_level.h"
