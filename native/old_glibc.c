// Symbols that glibc 2.28 or gcc 8's libstdc++ lacks, or has under another name or in an older
// version (cmake/old_glibc.cmake). They are hidden: each serves only the library that it is linked
// into.
#include <sys/stat.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define OLD(name, symbol) __asm__(".symver " #name "," symbol)

// glibc 2.29 added versions without System V error handling. The maths is the same.
double oldExp(double x);
double oldLog(double x);
OLD(oldExp, "exp@GLIBC_2.2.5");
OLD(oldLog, "log@GLIBC_2.2.5");
HIDDEN double exp(double x) { return oldExp(x); }
HIDDEN double log(double x) { return oldLog(x); }

// Before 2.33 fstat was a macro over __fxstat, whose first argument is the layout of struct stat.
int oldFxstat(int layout, int fd, struct stat* status);
OLD(oldFxstat, "__fxstat@GLIBC_2.2.5");
HIDDEN int fstat(int fd, struct stat* status) { return oldFxstat(1, fd, status); }

// Added in 2.32. libstdc++'s headers use it to choose plain instead of atomic reference counts.
// Here they never may.
HIDDEN char __libc_single_threaded = 0;

// std::condition_variable::wait got a new symbol version when it became noexcept in gcc 12.
void oldConditionWait(void* condition, void* lock);
OLD(oldConditionWait, "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
HIDDEN void _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(void* condition, void* lock) {
  oldConditionWait(condition, lock);
}

// std::ostringstream::str() as C++20 declares it, added in gcc 11. The older one does the same.
// Both take the address of the result as their first argument.
void* _ZNKSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv(void* result,
                                                                      const void* buffer);
HIDDEN void* _ZNKRSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv(void* result,
                                                                              const void* buffer) {
  return _ZNKSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv(result, buffer);
}
