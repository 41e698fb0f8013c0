# Makes libtorch an interface target. find_package(Torch) would require the whole CUDA SDK for a
# CUDA libtorch, and nothing here needs its headers.
if(NOT EXISTS ${LIBTORCH}/lib/libtorch_cpu.so OR NOT EXISTS ${LIBTORCH}/include/ATen/core/Tensor.h)
  message(FATAL_ERROR "gemlens: no libtorch at '${LIBTORCH}': set LIBTORCH to a directory that holds "
    "include/ and lib/, or run `npx gemlens setup`.")
endif()

foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(NOT TORCH_MINOR AND EXISTS ${LIBTORCH}/include/${header})
    file(STRINGS ${LIBTORCH}/include/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR) +[0-9]+")
    if(lines MATCHES "MAJOR +([0-9]+)")
      set(TORCH_MINOR ${CMAKE_MATCH_1})
      string(REGEX MATCH "MINOR +([0-9]+)" minor "${lines}")
      set(TORCH_MINOR ${TORCH_MINOR}.${CMAKE_MATCH_1})
    endif()
  endif()
endforeach()
if(NOT TORCH_MINOR)
  message(FATAL_ERROR "gemlens: ${LIBTORCH}/include names no libtorch version.")
endif()

add_library(torch_interface INTERFACE)
target_include_directories(torch_interface SYSTEM INTERFACE
  ${LIBTORCH}/include ${LIBTORCH}/include/torch/csrc/api/include)
target_link_libraries(torch_interface INTERFACE
  ${LIBTORCH}/lib/libtorch_cpu.so ${LIBTORCH}/lib/libc10.so)
# Keep the libraries NEEDED even if none of their symbols is used: the OpenMP runtime comes through
# libtorch_cpu.
target_link_options(torch_interface INTERFACE -Wl,--no-as-needed)
