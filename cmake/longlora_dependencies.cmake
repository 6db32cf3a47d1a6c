# SPDX-License-Identifier: GPL-3.0-or-later
# The packages of the distribution, each as a target.

find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

find_package(PkgConfig REQUIRED)
pkg_check_modules(longlora_pcre2 REQUIRED IMPORTED_TARGET GLOBAL libpcre2-8)
add_library(longlora::pcre2 ALIAS PkgConfig::longlora_pcre2)
pkg_check_modules(longlora_utf8proc REQUIRED IMPORTED_TARGET GLOBAL libutf8proc)
add_library(longlora::utf8proc ALIAS PkgConfig::longlora_utf8proc)
pkg_check_modules(longlora_xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
add_library(longlora::xxhash ALIAS PkgConfig::longlora_xxhash)

if(LONGLORA_GUI)
    find_package(Qt6 6.4 QUIET COMPONENTS Core Gui Widgets PrintSupport Svg Test LinguistTools)
    find_package(QCustomPlotQt6 QUIET)
    if(NOT Qt6_FOUND OR NOT QCustomPlotQt6_FOUND)
        message(WARNING "LONGLORA_GUI: Qt 6.4 with QCustomPlot was not found, so the window is not "
            "built. ./workbench build installs both; LONGLORA_GUI=OFF silences this.")
        set(LONGLORA_GUI OFF)
    endif()
endif()

include(CTest)
if(BUILD_TESTING)
    find_package(GTest REQUIRED)
    find_package(benchmark REQUIRED)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()
