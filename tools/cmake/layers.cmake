# SPDX-License-Identifier: MIT
# src/LAYERS as CMake targets: layer_<name> links the layers on its line and nothing else, so a
# unit test that links one layer cannot reach up.

# Sets LAYERS, and LAYER_<name>_BELOW for each.
function(layers_read file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" lines REGEX "^[a-z]+:")
    foreach(line IN LISTS lines)
        string(REGEX MATCH "^([a-z]+):(.*)$" whole "${line}")
        set(name "${CMAKE_MATCH_1}")
        string(REGEX MATCHALL "[a-z]+" below "${CMAKE_MATCH_2}")
        list(APPEND names ${name})
        set(LAYER_${name}_BELOW "${below}" PARENT_SCOPE)
    endforeach()
    set(LAYERS "${names}" PARENT_SCOPE)
endfunction()

# The layer's library. src/main/main.c holds main() and belongs to the executable alone.
function(layer_add layer)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${layer}/*.c")
    list(FILTER sources EXCLUDE REGEX "/src/main/main\\.c$")
    list(TRANSFORM LAYER_${layer}_BELOW PREPEND layer_ OUTPUT_VARIABLE below)
    if(NOT sources)
        add_library(layer_${layer} INTERFACE)
        target_include_directories(layer_${layer} INTERFACE "${PROJECT_SOURCE_DIR}/src")
        target_link_libraries(layer_${layer} INTERFACE ${below})
        return()
    endif()
    add_library(layer_${layer} STATIC ${sources})
    target_include_directories(layer_${layer} PUBLIC "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(layer_${layer} PRIVATE frontdesk_flags PUBLIC ${below})
    # Under sanitizers gcc sees conversions that it otherwise folds away.
    if(layer MATCHES "^(base|http)$" AND NOT FRONTDESK_SANITIZE)
        target_compile_options(layer_${layer} PRIVATE -Wconversion)
    endif()
    if(FRONTDESK_LTO)
        # Fat objects: the executable is optimised across files, the many tests link fast.
        target_compile_options(layer_${layer} PRIVATE -flto=auto -ffat-lto-objects)
    endif()
endfunction()
