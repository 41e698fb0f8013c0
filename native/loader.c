// gemlens.node opens libtorch by absolute path, then the core, and returns the core's exports. It
// links against libc alone, so it always loads and can report a missing library itself. A core that
// linked libtorch through an rpath could only fail with the linker's own message.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/levels.h"

// The core that this environment has loaded. A second load must not initialise it again.
typedef struct {
  napi_ref exports;
  char* core_path;
} Loaded;

static napi_value fail(napi_env env, const char* subject, const char* detail) {
  char message[4096];
  snprintf(message, sizeof message, "%s: %s", subject, detail == NULL ? "unknown error" : detail);
  napi_throw_error(env, "NATIVE_LOAD", message);
  return NULL;
}

// The caller frees the result. Returns NULL if `value` is not a string.
static char* parseString(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return NULL;
  char* text = malloc(length + 1);
  if (text != NULL) napi_get_value_string_utf8(env, value, text, length + 1, &length);
  return text;
}

static void append(char* text, size_t size, const char* name) {
  const size_t used = strlen(text);
  snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
}

// limitInstructionSet() limits the libraries opened next to GEMLENS_ISA. It sets each library's own
// variable, unless the user has set it. Throws if the level is unknown or this CPU lacks it.
static napi_value limitInstructionSet(napi_env env, napi_callback_info info) {
  (void)info;
  const char* name = gemlens_isa();
  if (name == NULL || strcmp(name, GEMLENS_COMPOSED) == 0) return NULL;
  char available[256] = GEMLENS_COMPOSED;
#define GEMLENS_LIMIT(level, condition, aten, onednn, mkl) \
  if (condition) {                                         \
    append(available, sizeof available, #level);           \
    if (strcmp(name, #level) == 0) {                       \
      setenv("ATEN_CPU_CAPABILITY", aten, 0);              \
      setenv("ONEDNN_MAX_CPU_ISA", onednn, 0);             \
      setenv("MKL_ENABLE_INSTRUCTIONS", mkl, 0);           \
      return NULL;                                         \
    }                                                      \
  }
  GEMLENS_LEVELS(GEMLENS_LIMIT)
  char message[1024];
  snprintf(message, sizeof message, "expected one of %s on this CPU, got %s", available, name);
  return fail(env, "GEMLENS_ISA", message);
}

// RTLD_LOCAL: libtorch_cpu exports its own copy of libuv, which must not collide with Node's.
// RTLD_NODELETE: its threads and thread-local destructors outlive any environment.
static void* openLibrary(const char* path) {
  return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

// load(libs: string[], corePath: string) returns the core's exports.
static napi_value load(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  Loaded* loaded = NULL;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, (void**)&loaded) != napi_ok) return NULL;

  bool is_array = false;
  if (argc == 2) napi_is_array(env, argv[0], &is_array);
  char* core_path = argc == 2 ? parseString(env, argv[1]) : NULL;
  if (!is_array || core_path == NULL) {
    free(core_path);
    return fail(env, "load", "expected (libs: string[], corePath: string)");
  }

  if (loaded->core_path != NULL) {
    napi_value exports = NULL;
    if (strcmp(loaded->core_path, core_path) == 0) {
      napi_get_reference_value(env, loaded->exports, &exports);
    } else {
      fail(env, "load: this environment already holds another core", loaded->core_path);
    }
    free(core_path);
    return exports;
  }

  // libgomp reads this once, when it is opened. Its default busy-wait costs milliseconds per small
  // operation while another OpenMP process runs. A value set by the user is kept.
  setenv("GOMP_SPINCOUNT", "1000", 0);

  uint32_t count = 0;
  napi_get_array_length(env, argv[0], &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    char* path = NULL;
    if (napi_get_element(env, argv[0], i, &element) == napi_ok) path = parseString(env, element);
    if (path == NULL || openLibrary(path) == NULL) {
      fail(env, path == NULL ? "load" : path, path == NULL ? "libs: expected strings" : dlerror());
      free(path);
      free(core_path);
      return NULL;
    }
    free(path);
  }

  void* core = openLibrary(core_path);
  if (core == NULL) {
    fail(env, core_path, dlerror());
    free(core_path);
    return NULL;
  }
  napi_value (*initialise)(napi_env, napi_value) = NULL;
  *(void**)&initialise = dlsym(core, "napi_register_module_v1");
  if (initialise == NULL) {
    fail(env, core_path, dlerror());
    free(core_path);
    return NULL;
  }

  napi_value exports = NULL;
  napi_create_object(env, &exports);
  napi_value result = initialise(env, exports);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) {
    free(core_path);
    return NULL;
  }
  if (result != NULL) exports = result;
  napi_create_reference(env, exports, 1, &loaded->exports);
  loaded->core_path = core_path;
  return exports;
}

static void freeLoaded(void* data) {
  Loaded* loaded = data;
  free(loaded->core_path);
  free(loaded);
}

NAPI_MODULE_INIT() {
  Loaded* loaded = calloc(1, sizeof *loaded);
  if (loaded == NULL) return fail(env, "loader", "out of memory");
  // This can't be instance data: the core sets its own in the same environment.
  napi_add_env_cleanup_hook(env, freeLoaded, loaded);
  const napi_property_descriptor functions[] = {
      {"load", NULL, load, NULL, NULL, NULL, napi_default, loaded},
      {"limitInstructionSet", NULL, limitInstructionSet, NULL, NULL, NULL, napi_default, NULL},
  };
  if (napi_define_properties(env, exports, 2, functions) != napi_ok) {
    return fail(env, "loader", "cannot create its exports");
  }
  return exports;
}
