# Builds artefacts for glibc 2.28 and gcc 8's libstdc++ on a newer system (GEMLENS_OLD_GLIBC,
# x86-64). A linker binds each symbol to its newest version, and some symbols have moved since 2.28:
# - To another library (dlopen was in libdl). The linker first sees a small library with the names
#   that the old one had, so the result names the library that it would name on the old system.
# - To a newer version in the same library (log). native/old_glibc.c forwards to the old version.
# Newer systems still provide all of these. `npm run prebuild` rejects an artefact that uses a newer
# symbol; add that symbol here.
set(old_glibc_stubs)

# gemlens_old_library(SONAME VERSION SYMBOL... [VERSION SYMBOL...]...)
function(gemlens_old_library soname)
  set(stub ${CMAKE_BINARY_DIR}/old-glibc/${soname})
  set(source "")
  set(map "")
  foreach(word ${ARGN})
    if(word MATCHES "^GLIBC_")
      string(APPEND map "\n};\n${word} { global:")
    else()
      string(APPEND source ".globl ${word}\n.type ${word},@function\n${word}: ret\n")
      string(APPEND map " ${word};")
    endif()
  endforeach()
  string(REGEX REPLACE "^\n};\n" "" map "${map}")
  file(CONFIGURE OUTPUT ${stub}.s CONTENT "${source}" @ONLY)
  file(CONFIGURE OUTPUT ${stub}.map CONTENT "${map}\n};\n" @ONLY)
  add_custom_command(
    OUTPUT ${stub}
    COMMAND ${CMAKE_C_COMPILER} -shared -nostdlib -Wl,-soname,${soname}
      -Wl,--version-script,${stub}.map ${stub}.s -o ${stub}
    DEPENDS ${stub}.s ${stub}.map VERBATIM)
  set(old_glibc_stubs ${old_glibc_stubs} ${stub} PARENT_SCOPE)
endfunction()

gemlens_old_library(libdl.so.2
  GLIBC_2.2.5 dlopen dlsym dlerror dlclose dladdr dlvsym
  GLIBC_2.3.4 dlmopen)
# The CUDA runtime in the plugin needs most of these.
gemlens_old_library(libpthread.so.0
  GLIBC_2.2.5 pthread_create pthread_join pthread_detach pthread_kill pthread_once
  pthread_key_create pthread_key_delete pthread_getspecific pthread_setspecific
  pthread_mutex_trylock pthread_mutexattr_init pthread_mutexattr_settype
  pthread_mutexattr_setpshared pthread_mutexattr_destroy pthread_condattr_setpshared
  pthread_rwlock_init pthread_rwlock_destroy pthread_rwlock_rdlock pthread_rwlock_wrlock
  pthread_rwlock_tryrdlock pthread_rwlock_trywrlock pthread_rwlock_timedrdlock
  pthread_rwlock_timedwrlock pthread_rwlock_unlock pthread_rwlockattr_init
  pthread_rwlockattr_setpshared pthread_rwlockattr_destroy pthread_spin_init pthread_spin_destroy
  pthread_spin_lock pthread_spin_trylock pthread_spin_unlock sem_init sem_destroy sem_post sem_wait
  sem_timedwait sem_trywait)
gemlens_old_library(librt.so.1 GLIBC_2.2.5 shm_open shm_unlink)
add_custom_target(old_glibc DEPENDS ${old_glibc_stubs})

# Call this last for a target: an archive's symbols are only looked up in later libraries. The paths
# are passed to the linker as one flag, because CMake would turn a single path into -ldl, which
# finds the new library.
function(gemlens_bind_old_symbols target)
  list(JOIN old_glibc_stubs "," stubs)
  target_link_libraries(${target} PRIVATE -Wl,--push-state,--as-needed,${stubs},--pop-state)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${old_glibc_stubs})
  add_dependencies(${target} old_glibc)
  if(ARGN)
    target_sources(${target} PRIVATE ${ARGN})
  endif()
endfunction()

gemlens_bind_old_symbols(loader)
gemlens_bind_old_symbols(core native/old_glibc.c)
if(TARGET cuda_plugin)
  gemlens_bind_old_symbols(cuda_plugin)
endif()
