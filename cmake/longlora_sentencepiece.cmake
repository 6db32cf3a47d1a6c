# SPDX-License-Identifier: GPL-3.0-or-later
# longlora::sentencepiece and longlora::sentencepiece_train: the static libraries of sentencepiece
# 0.2.1 that ./workbench builds once. The distributions' package is older and must not be used:
# CVE-2026-1260.

set(LONGLORA_SENTENCEPIECE_DIR "${LONGLORA_CACHE_DIR}/sentencepiece-0.2.1" CACHE PATH
    "Folder with include/ and lib/ of sentencepiece 0.2.1")

find_package(Threads REQUIRED)

set(sentencepiece_lib "${LONGLORA_SENTENCEPIECE_DIR}/lib")
if(NOT EXISTS "${sentencepiece_lib}/libsentencepiece_train.a")
    message(FATAL_ERROR "sentencepiece is not there: ${sentencepiece_lib}/libsentencepiece_train.a "
        "is missing. Run ./workbench build, which builds it, or set LONGLORA_SENTENCEPIECE_DIR.")
endif()

foreach(name sentencepiece sentencepiece_train)
    add_library(longlora::${name} STATIC IMPORTED GLOBAL)
    set_target_properties(longlora::${name} PROPERTIES
        IMPORTED_LOCATION "${sentencepiece_lib}/lib${name}.a"
        INTERFACE_INCLUDE_DIRECTORIES "${LONGLORA_SENTENCEPIECE_DIR}/include"
        INTERFACE_LINK_LIBRARIES Threads::Threads
    )
endforeach()
set_property(TARGET longlora::sentencepiece_train APPEND PROPERTY
    INTERFACE_LINK_LIBRARIES longlora::sentencepiece)
