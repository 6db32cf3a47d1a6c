// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/prepare_compute.h"

#include <ATen/Context.h>
#include <c10/core/AllocatorConfig.h>

#include <gtest/gtest.h>

#include <cstdlib>

namespace longlora {
namespace {

constexpr const char* kName = "PYTORCH_ALLOC_CONF";
constexpr const char* kOlderName = "PYTORCH_CUDA_ALLOC_CONF";

TEST(PrepareEnvironment, MemoryOfAGpuComesInSegmentsThatGrow)
{
    ::unsetenv(kName);
    ::unsetenv(kOlderName);
    prepareEnvironment();
    ASSERT_STREQ(std::getenv(kName), "expandable_segments:True");
    // LibTorch has not read it before, when it was loaded.
    EXPECT_TRUE(c10::CachingAllocator::AcceleratorAllocatorConfig::use_expandable_segments());
    ::unsetenv(kName);
}

TEST(PrepareEnvironment, WhatTheUserHasSetStays)
{
    for (const char* name : {kName, kOlderName}) {
        ::unsetenv(kName);
        ::unsetenv(kOlderName);
        ::setenv(name, "max_split_size_mb:64", 1);
        prepareEnvironment();
        EXPECT_STREQ(std::getenv(name), "max_split_size_mb:64");
        const char* const other = name == kName ? kOlderName : kName;
        EXPECT_EQ(std::getenv(other), nullptr);
    }
    ::unsetenv(kOlderName);
}

TEST(PrepareCompute, MatrixProductsInFp32AreExactToFp32OnAGpu)
{
    at::globalContext().setAllowTF32CuBLAS(true);
    prepareCompute(1);
    EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

} // namespace
} // namespace longlora
