// Keeps UndefinedBehaviorSanitizer's reports in the folder of AddressSanitizer's. With both in a
// process, libubsan writes only to stderr, which a parent may discard; it also calls this function.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

extern "C" void __ubsan_get_current_report_data(const char** kind, const char** message,
                                                const char** file, unsigned* line, unsigned* column,
                                                char** memory);

extern "C" __attribute__((visibility("default"))) void __ubsan_on_report() {
  const char *kind, *message, *file;
  unsigned line, column;
  char* memory;
  __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &memory);
  const char* prefix = std::getenv("GEMLENS_UBSAN_REPORT");
  if (prefix == nullptr) return;
  char path[4096];
  std::snprintf(path, sizeof path, "%s.%d", prefix, getpid());
  const int out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0) return;
  dprintf(out, "%s:%u:%u: %s (%s)\n", file, line, column, message, kind);
  close(out);
}
