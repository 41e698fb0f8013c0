# Finds the Node-API headers in their npm packages, so that nothing is fetched from nodejs.org.
function(gemlens_node_print out expression)
  execute_process(
    COMMAND ${GEMLENS_NODE} -p "${expression}"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  set(${out} "${result}" PARENT_SCOPE)
endfunction()

gemlens_node_print(NODE_API_INCLUDE "require('node-api-headers').include_dir")
gemlens_node_print(NAPI_CPP_INCLUDE "require('node-addon-api').include_dir")
