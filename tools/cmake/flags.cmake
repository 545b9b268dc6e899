# SPDX-License-Identifier: MIT
# Compiler and linker flags, as an interface library that every target of ours links.
include(CheckCCompilerFlag)

# What must hold at link time too (position independence) stands outside the library.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Where things are when the command line says nothing.
set(FRONTDESK_PREFIX "/etc/frontdesk/" CACHE STRING "What relative paths start from")
set(FRONTDESK_CONF "/etc/frontdesk/frontdesk.conf" CACHE STRING "The configuration file")
set(FRONTDESK_ERROR_LOG "/var/log/frontdesk/error.log" CACHE STRING "The error log")
set(FRONTDESK_PID "/run/frontdesk.pid" CACHE STRING "The pid file")

# The worker lets go of the file system, where it needs none: not where a tool's runtime does.
if(FRONTDESK_SANITIZE OR FRONTDESK_COVERAGE)
    set(sandbox 0)
else()
    set(sandbox 1)
endif()

add_library(frontdesk_flags INTERFACE)
target_compile_definitions(frontdesk_flags INTERFACE
    _GNU_SOURCE FRONTDESK_VERSION="${PROJECT_VERSION}"
    FRONTDESK_PREFIX="${FRONTDESK_PREFIX}" FRONTDESK_CONF="${FRONTDESK_CONF}"
    FRONTDESK_ERROR_LOG="${FRONTDESK_ERROR_LOG}" FRONTDESK_PID="${FRONTDESK_PID}"
    FRONTDESK_SANDBOX=${sandbox}
    $<$<NOT:$<CONFIG:Release>>:FRONTDESK_DEBUG>)
target_compile_options(frontdesk_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wswitch-enum -Wvla -Wformat=2 -Werror
    -fno-strict-aliasing -fwrapv -fno-plt -g)

# A struct with a flexible array may stand in front of its room: gnu11 allows it.
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    target_compile_options(frontdesk_flags INTERFACE -Wno-gnu-variable-sized-type-not-at-end)
endif()

# Adds the flag when the compiler knows it.
function(flag_try flag)
    string(MAKE_C_IDENTIFIER "HAS${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
        target_compile_options(frontdesk_flags INTERFACE ${flag})
    endif()
endfunction()

# Release: hardened code. FORTIFY needs optimisation, so it stands here and not above.
set(CMAKE_C_FLAGS_RELEASE "-O3")
set(CMAKE_C_FLAGS_DEBUG "-Og")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(frontdesk_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    flag_try(-fstack-protector-strong)
    flag_try(-fstack-clash-protection)
    flag_try(-ftrivial-auto-var-init=zero)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i[3-6]86")
        flag_try(-fcf-protection)
        # The structs of a request are cleared several times per request: "rep stos" starts slowly.
        flag_try(-mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
        flag_try(-mbranch-protection=standard)
    endif()
    target_link_options(frontdesk_flags INTERFACE
        -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen)
endif()

if(FRONTDESK_SANITIZE)
    target_compile_options(frontdesk_flags INTERFACE
        -fsanitize=${FRONTDESK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(frontdesk_flags INTERFACE -fsanitize=${FRONTDESK_SANITIZE})
endif()
if(FRONTDESK_FUZZ)
    target_compile_options(frontdesk_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FRONTDESK_COVERAGE)
    target_compile_options(frontdesk_flags INTERFACE --coverage -fprofile-update=atomic -O0)
    target_link_options(frontdesk_flags INTERFACE --coverage)
endif()
