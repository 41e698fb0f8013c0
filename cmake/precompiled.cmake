# Tensor.h is most of what a file of the core takes to compile: it is read once, for all of them.
foreach(header ATen/core/Tensor.h algorithm functional memory optional string utility variant vector)
  # native/old_glibc.c is C.
  target_precompile_headers(core PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
endforeach()
# The kernels take no ATen; module.cc has a definition of its own.
file(GLOB kernel_sources ${CMAKE_SOURCE_DIR}/native/kernels/*.cc)
set_source_files_properties(${kernel_sources} ${CMAKE_SOURCE_DIR}/native/binding/module.cc PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON)
