# SPDX-License-Identifier: GPL-3.0-or-later
# The few functions every CMakeLists.txt of this project uses.

# longlora_add_library(<name> SOURCES ... [CUDA_SOURCES ...] [PUBLIC ...] [PRIVATE ...])
#
# A static library whose headers are included from the source root. PUBLIC and PRIVATE are the
# libraries it links. CUDA_SOURCES are compiled where the CUDA kernels are.
function(longlora_add_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;CUDA_SOURCES;PUBLIC;PRIVATE")
    if(NOT arg_SOURCES)
        add_library(${name} INTERFACE)
        target_include_directories(${name} INTERFACE "${PROJECT_SOURCE_DIR}")
        target_link_libraries(${name} INTERFACE ${arg_PUBLIC})
        return()
    endif()
    add_library(${name} STATIC ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE longlora_warnings ${arg_PRIVATE})
    if(LONGLORA_CUDA_FOUND AND arg_CUDA_SOURCES)
        target_sources(${name} PRIVATE ${arg_CUDA_SOURCES})
        target_compile_definitions(${name} PUBLIC LONGLORA_WITH_CUDA=1)
        target_link_libraries(${name} PUBLIC longlora::cudart)
    endif()
endfunction()

# longlora_add_program(<name> SOURCES ... LIBS ...): a program in <build>/bin.
function(longlora_add_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE longlora_warnings ${arg_LIBS})
endfunction()

# What both kinds of test have in common.
function(longlora_add_test_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;LABELS")
    longlora_add_program(${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    target_compile_definitions(${name} PRIVATE
        LONGLORA_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden"
        LONGLORA_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    )
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        ENVIRONMENT "OMP_NUM_THREADS=1"
        TIMEOUT 600
    )
endfunction()

# longlora_add_test(<name> SOURCES ... LIBS ... LABELS ...)
#
# A GoogleTest program, one CTest entry: loading LibTorch takes longer than most cases. Run it with
# --gtest_filter to see one case alone.
function(longlora_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;LABELS")
    longlora_add_test_program(${name}
        SOURCES ${arg_SOURCES}
        LIBS ${arg_LIBS} GTest::gtest GTest::gtest_main
        LABELS ${arg_LABELS}
    )
endfunction()

# longlora_repeat_without_matrix_units(<name> [FILTER <tests>])
#
# Runs a test program once more as on a processor that has no matrix units.
function(longlora_repeat_without_matrix_units name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FILTER" "")
    if(NOT arg_FILTER)
        set(arg_FILTER "*")
    endif()
    set(again ${name}_without_matrix_units)
    add_test(NAME ${again} COMMAND ${name} "--gtest_filter=${arg_FILTER}")
    get_test_property(${name} LABELS labels)
    set_tests_properties(${again} PROPERTIES
        LABELS "${labels}"
        ENVIRONMENT "OMP_NUM_THREADS=1;LONGLORA_MATRIX_UNITS=off"
        TIMEOUT 600
    )
endfunction()

# longlora_add_qt_test(<name> SOURCES ... LIBS ... LABELS ...)
#
# A Qt Test program without a display. Its classes may stand in the .cpp, which then ends with
# `#include "<file>.moc"`.
function(longlora_add_qt_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;LABELS")
    longlora_add_test_program(${name}
        SOURCES ${arg_SOURCES}
        LIBS ${arg_LIBS} Qt6::Test
        LABELS ${arg_LABELS}
    )
    longlora_use_qt(${name})
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "QT_QPA_PLATFORM=offscreen")
endfunction()

# longlora_use_qt(<target>): moc, resources, and Qt without the macros that break other headers.
function(longlora_use_qt target)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
        return()
    endif()
    set_target_properties(${target} PROPERTIES AUTOMOC ON AUTORCC ON)
    target_compile_definitions(${target} PRIVATE
        QT_NO_KEYWORDS
        QT_NO_CAST_FROM_ASCII
        QT_NO_CAST_TO_ASCII
        QT_USE_QSTRINGBUILDER
    )
endfunction()
