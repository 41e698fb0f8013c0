# Builds libgemlens_cuda.so from every .cu under native/ by calling nvcc directly. CMake's CUDA
# support needs a toolkit laid out by NVIDIA's installer, and the wheels are laid out differently.
# sm_90a instead of sm_90: wgmma exists only there. PTX for 80 serves every later GPU.
set(cuda_flags
  -std=c++17 -O3 -Xcompiler=-fPIC,-fvisibility=hidden,-Wall -Werror all-warnings -cudart=static
  -gencode arch=compute_80,code=[sm_80,compute_80] -gencode arch=compute_90a,code=sm_90a
  -I ${CMAKE_SOURCE_DIR}/native)

get_filename_component(cuda_root ${GEMLENS_NVCC} DIRECTORY)
get_filename_component(cuda_root ${cuda_root} DIRECTORY)
find_library(CUDART_STATIC cudart_static
  HINTS ${cuda_root} PATH_SUFFIXES lib lib64 targets/x86_64-linux/lib NO_DEFAULT_PATH REQUIRED)

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/*.cu)
set(cuda_objects)
foreach(source ${cuda_sources})
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/native ${source})
  set(object ${CMAKE_BINARY_DIR}/cuda/${name}.o)
  get_filename_component(folder ${object} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${GEMLENS_NVCC} ${cuda_flags} -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "nvcc native/${name}" VERBATIM)
  list(APPEND cuda_objects ${object})
endforeach()

if(cuda_objects)
  add_library(cuda_plugin SHARED ${cuda_objects})
  set_target_properties(cuda_plugin PROPERTIES
    LINKER_LANGUAGE CXX OUTPUT_NAME gemlens_cuda SKIP_BUILD_RPATH ON
    LIBRARY_OUTPUT_DIRECTORY ${GEMLENS_OUT})
  # Hide its symbols: libtorch_cuda contains another copy of the CUDA runtime.
  target_link_options(cuda_plugin PRIVATE -Wl,--exclude-libs,ALL)
  target_link_libraries(cuda_plugin PRIVATE ${CUDART_STATIC} ${CMAKE_DL_LIBS} pthread rt)
endif()
