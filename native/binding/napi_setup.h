// The only file that includes napi.h. The build sets its flags (NAPI_VERSION, exceptions on).
// Nothing outside this folder depends on Node.
#pragma once

#include <napi.h>
