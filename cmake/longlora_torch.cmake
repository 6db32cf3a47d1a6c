# SPDX-License-Identifier: GPL-3.0-or-later
# longlora::torch: LibTorch as it lies in the wheel of torch 2.11.0.
#
# The wheel's own CMake package refuses to configure without a CUDA toolkit, edits global flags and
# the architecture list when there is one, and looks for libraries we never call. Imported targets
# over the few files that are needed serve every way of building alike:
#   CPU only           libtorch_cpu and libc10
#   CUDA kernels       and libc10_cuda with the CUDA runtime of the wheels
#   and GPU libraries  and libtorch_cuda, where the wheels it loads (cuBLAS, cuDNN, ...) are present
# LONGLORA_TORCH_DIR is the folder that holds torch/ and nvidia/; ./workbench fills it.

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(LONGLORA_CACHE_DIR "$ENV{XDG_CACHE_HOME}/longlora-workbench")
else()
    set(LONGLORA_CACHE_DIR "$ENV{HOME}/.cache/longlora-workbench")
endif()
set(LONGLORA_TORCH_DIR "${LONGLORA_CACHE_DIR}/torch-2.11.0" CACHE PATH
    "Folder with the unpacked wheels: holds torch/ and nvidia/")

set(torch_lib "${LONGLORA_TORCH_DIR}/torch/lib")
set(torch_include "${LONGLORA_TORCH_DIR}/torch/include")
set(cuda_lib "${LONGLORA_TORCH_DIR}/nvidia/cu13/lib")
foreach(needed "${torch_lib}/libtorch_cpu.so" "${cuda_lib}/libcudart.so.13")
    if(NOT EXISTS "${needed}")
        message(FATAL_ERROR "LibTorch is not complete: ${needed} is missing. Run ./workbench build, "
            "which fetches it, or set LONGLORA_TORCH_DIR to a folder that has it.")
    endif()
endforeach()

# longlora_import_library(<target> <file> [<target it loads>...])
function(longlora_import_library target file)
    add_library(${target} SHARED IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
        IMPORTED_LOCATION "${file}"
        IMPORTED_LINK_DEPENDENT_LIBRARIES "${ARGN}"
    )
endfunction()

# libtorch_cpu loads these two even where there is no GPU.
longlora_import_library(longlora::cudart "${cuda_lib}/libcudart.so.13")
longlora_import_library(longlora::cupti "${cuda_lib}/libcupti.so.13")
longlora_import_library(longlora::c10 "${torch_lib}/libc10.so")
longlora_import_library(longlora::torch_cpu "${torch_lib}/libtorch_cpu.so"
    longlora::c10 longlora::cudart longlora::cupti)

add_library(longlora_torch INTERFACE)
add_library(longlora::torch ALIAS longlora_torch)
target_include_directories(longlora_torch SYSTEM INTERFACE
    "${torch_include}"
    "${torch_include}/torch/csrc/api/include"
)
# The wheel brings headers of a newer fmt, found before the distribution's: used without its library.
target_compile_definitions(longlora_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1 FMT_HEADER_ONLY)
target_compile_features(longlora_torch INTERFACE cxx_std_20)
target_link_libraries(longlora_torch INTERFACE longlora::torch_cpu longlora::c10)

set(LONGLORA_TORCH_CUDA_FOUND FALSE)
if(LONGLORA_CUDA_FOUND)
    # find_package(CUDAToolkit) is not needed for this, and Debian 12's fails on CUDA 13.
    set_target_properties(longlora::cudart PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}")
    longlora_import_library(longlora::c10_cuda "${torch_lib}/libc10_cuda.so"
        longlora::c10 longlora::cudart)
    target_link_libraries(longlora_torch INTERFACE longlora::c10_cuda longlora::cudart)
    # The kernels define it for those who link them; whoever sees LibTorch asks it too.
    target_compile_definitions(longlora_torch INTERFACE LONGLORA_WITH_CUDA=1)

    if(EXISTS "${cuda_lib}/libcublas.so.13"
        AND EXISTS "${LONGLORA_TORCH_DIR}/nvidia/cudnn/lib/libcudnn.so.9"
        AND EXISTS "${LONGLORA_TORCH_DIR}/nvidia/nccl/lib/libnccl.so.2")
        set(LONGLORA_TORCH_CUDA_FOUND TRUE)
        longlora_import_library(longlora::torch_cuda "${torch_lib}/libtorch_cuda.so"
            longlora::torch_cpu longlora::c10_cuda)
        # It registers the GPU operators when it is loaded; no symbol of ours refers to it, so a
        # linker that drops unused libraries must be told to keep it.
        target_link_libraries(longlora_torch INTERFACE
            -Wl,--no-as-needed longlora::torch_cuda -Wl,--as-needed)
        target_compile_definitions(longlora_torch INTERFACE LONGLORA_WITH_TORCH_CUDA)
    endif()
endif()

if(LONGLORA_TORCH_CUDA_FOUND)
    message(STATUS "LibTorch: ${LONGLORA_TORCH_DIR}, with GPU libraries")
elseif(LONGLORA_CUDA_FOUND)
    message(STATUS "LibTorch: ${LONGLORA_TORCH_DIR}; its GPU libraries are not there, programs run "
        "on the CPU (./workbench --cuda fetches them)")
else()
    message(STATUS "LibTorch: ${LONGLORA_TORCH_DIR}, CPU only")
endif()
