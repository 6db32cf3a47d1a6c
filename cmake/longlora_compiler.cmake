# SPDX-License-Identifier: GPL-3.0-or-later
# How our own code is compiled: build type, warnings, compiler cache, linker.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()

# Dependencies are SYSTEM and stay silent; every target of ours links this.
add_library(longlora_warnings INTERFACE)
set(host_warnings -Wall -Wextra -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    # GCC 12 and 13 cry wolf over "literal" + std::string (GCC bugs 105329 and 105651).
    list(APPEND host_warnings -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(LONGLORA_WERROR)
    list(APPEND host_warnings -Werror)
endif()
list(JOIN host_warnings "," host_warnings_for_nvcc)
# nvcc's generated host code does not keep to -Wshadow and -Wconversion.
string(REPLACE ",-Wshadow,-Wconversion" "" host_warnings_for_nvcc "${host_warnings_for_nvcc}")
target_compile_options(longlora_warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:${host_warnings}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_warnings_for_nvcc}>"
)

# With paths taken relative to the folder above the checkout, all build folders of a checkout share
# the cache. The sloppiness is what ccache's manual asks for with precompiled headers.
find_program(LONGLORA_CCACHE ccache)
if(LONGLORA_CCACHE)
    cmake_path(GET PROJECT_SOURCE_DIR PARENT_PATH ccache_base)
    set(launcher
        "${CMAKE_COMMAND}" -E env
        "CCACHE_BASEDIR=${ccache_base}"
        CCACHE_NOHASHDIR=true
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "${LONGLORA_CCACHE}"
    )
    foreach(language CXX CUDA)
        if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
            set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
        endif()
    endforeach()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(longlora_warnings INTERFACE
            $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
    endif()
endif()

find_program(LONGLORA_MOLD mold)
if(LONGLORA_MOLD)
    target_link_options(longlora_warnings INTERFACE -fuse-ld=mold)
endif()
