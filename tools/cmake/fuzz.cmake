# SPDX-License-Identifier: MIT
# fuzz/<name>_fuzz.c defines LLVMFuzzerTestOneInput. Under the fuzz preset libFuzzer drives it;
# elsewhere fuzz/replay_main.c replays what is known: seeds/<name>/ and regressions/<name>/.
# A target whose name contains "llhttp" is compared with Debian's node-llhttp (test only).
file(GLOB sources CONFIGURE_DEPENDS "fuzz/*_fuzz.c")
add_custom_target(fuzzers)

if(LLHTTP_DIR)
    add_library(llhttp STATIC EXCLUDE_FROM_ALL
        "${LLHTTP_DIR}/llhttp.c" "${LLHTTP_DIR}/api.c" "${LLHTTP_DIR}/http.c")
    find_path(LLHTTP_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/share/include)
    target_include_directories(llhttp SYSTEM PUBLIC "${LLHTTP_INCLUDE_DIR}")
    target_compile_options(llhttp PRIVATE -w)
endif()

foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_fuzz$" "" name ${stem})
    set(target "fuzz_${name}")
    if(name MATCHES "llhttp" AND NOT LLHTTP_DIR)
        message(STATUS "node-llhttp is missing: no ${target}")
        continue()
    endif()
    add_executable(${target} ${source})
    add_dependencies(fuzzers ${target})
    target_link_libraries(${target} PRIVATE layer_main frontdesk_flags)
    if(name MATCHES "llhttp")
        target_link_libraries(${target} PRIVATE llhttp)
    endif()
    if(FRONTDESK_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        continue()
    endif()
    target_sources(${target} PRIVATE fuzz/replay_main.c)
    if(FRONTDESK_LTO)
        target_link_options(${target} PRIVATE -fno-lto)
    endif()
    add_test(NAME fuzz/${name}
        COMMAND ${target} seeds/${name} regressions/${name}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/fuzz")
    set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 60)
endforeach()
