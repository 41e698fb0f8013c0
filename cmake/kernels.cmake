# The instruction sets of native/kernels: one source each, compiled with its own flags. The
# conditions in native/kernels/levels.h must cover these flags.
function(gemlens_level name)
  # Without contraction, a·b + c is rounded twice at every level, so all levels give the same bits.
  set_source_files_properties(native/kernels/${name}.cc PROPERTIES
    COMPILE_OPTIONS "-ffp-contract=off;${ARGN}")
endfunction()

gemlens_level(portable)
gemlens_level(avx2 -mavx2 -mfma)
gemlens_level(avx512
  -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)

# The linker keeps one copy of each inline function, from any file. None may come from a file with
# wider flags. Sanitizers add their own symbols, so the check is off for them.
if(NOT GEMLENS_SANITIZE)
  add_custom_command(TARGET core PRE_LINK
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:core>,|>"
      -P ${CMAKE_SOURCE_DIR}/cmake/check_levels.cmake
    VERBATIM)
endif()
