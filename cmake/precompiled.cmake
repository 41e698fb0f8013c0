# Compiling a core file is mostly parsing Tensor.h, so it is precompiled for all of them.
foreach(header ATen/core/Tensor.h algorithm functional memory optional string utility variant vector)
  # native/old_glibc.c is C.
  target_precompile_headers(core PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
endforeach()
# The kernels don't use ATen, and module.cc has its own compile definition.
file(GLOB kernel_sources ${CMAKE_SOURCE_DIR}/native/kernels/*.cc)
set_source_files_properties(${kernel_sources} ${CMAKE_SOURCE_DIR}/native/binding/module.cc PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON)
