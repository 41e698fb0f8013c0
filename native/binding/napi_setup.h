// The only include of napi.h: its flags (NAPI_VERSION, exceptions on) are set by the build, and
// nothing outside this folder knows of Node.
#pragma once

#include <napi.h>
