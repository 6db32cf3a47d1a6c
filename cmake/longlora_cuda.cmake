# SPDX-License-Identifier: GPL-3.0-or-later
# Decides whether the CUDA kernels are compiled and sets LONGLORA_CUDA_FOUND.
#
# LibTorch 2.11 is built for CUDA 13: another major version of the toolkit cannot be linked with it.
# A toolkit assembled from wheels (./workbench --cuda) is passed as CMAKE_CUDA_COMPILER.

set(LONGLORA_CUDA_FOUND FALSE)
if(LONGLORA_CUDA STREQUAL "OFF")
    return()
endif()

# Ampere and Hopper; without a GPU to ask, nvcc would have to be told anyway.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "GPU architectures of the CUDA kernels")
endif()

include(CheckLanguage)
check_language(CUDA)
set(cuda_problem "no nvcc was found")
if(CMAKE_CUDA_COMPILER)
    execute_process(
        COMMAND "${CMAKE_CUDA_COMPILER}" --version
        OUTPUT_VARIABLE nvcc_version
        ERROR_QUIET
    )
    if(nvcc_version MATCHES "release 13\\.")
        set(cuda_problem "")
    else()
        set(cuda_problem "${CMAKE_CUDA_COMPILER} is not of CUDA 13")
    endif()
endif()

if(cuda_problem STREQUAL "")
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc speaks C++20.
    if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
        set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
    # Programs link the CUDA runtime that LibTorch loads and nothing of the toolkit's.
    set(CMAKE_CUDA_RUNTIME_LIBRARY None)
    set(CMAKE_CUDA_IMPLICIT_LINK_LIBRARIES "")
    set(CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES "")
    set(LONGLORA_CUDA_FOUND TRUE)
    message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, "
        "architectures ${CMAKE_CUDA_ARCHITECTURES}")
elseif(LONGLORA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LONGLORA_CUDA=ON, but ${cuda_problem}. Install a CUDA 13 toolkit, let "
        "./workbench --cuda assemble one from wheels, or configure with LONGLORA_CUDA=OFF.")
else()
    message(STATUS "CUDA kernels: not compiled, ${cuda_problem}")
endif()
