# SPDX-License-Identifier: MIT
# Every example under conf/ is a configuration that `frontdesk -t` accepts.
if(TARGET frontdesk)
    set(prefix "${CMAKE_CURRENT_BINARY_DIR}/conf-examples")
    file(MAKE_DIRECTORY "${prefix}/logs")
    file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/conf/*.conf")
    foreach(example IN LISTS examples)
        cmake_path(GET example STEM name)
        add_test(NAME conf/example/${name}
            COMMAND frontdesk -t -p "${prefix}/" -c "${example}" -e stderr)
        set_tests_properties(conf/example/${name} PROPERTIES LABELS conf TIMEOUT 20)
    endforeach()
endif()
