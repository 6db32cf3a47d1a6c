// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

namespace longlora::test {

/// What the stub of NVIDIA's library answers: shared between it and the test that loaded it. Each
/// answer is a status of NVML: 0 success, 3 not supported, 15 GPU is lost.
struct FakeNvml {
    struct Gpu {
        std::string name = "NVIDIA H200";
        std::string uuid = "GPU-0";
        unsigned long long total = 0, reserved = 0, free = 0; ///< bytes
        std::vector<unsigned long long> processBytes; ///< of others; the last is this process
        unsigned int busyPercent = 0, celsius = 0, milliwatts = 0, milliwattLimit = 0;
    };
    std::vector<Gpu> gpus;
    int init = 0;
    int memory = 0;
    int memoryV2 = 0;
    int details = 0; ///< utilisation, temperature, power, processes
    int inits = 0;   ///< calls without a shutdown
};

/// The stub's answers. `library` is its path; it stays loaded.
inline FakeNvml& fakeNvml(const char* library)
{
    void* const handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
    using Answers = FakeNvml* (*)();
    auto& answers = *reinterpret_cast<Answers>(::dlsym(handle, "fakeNvmlAnswers"))();
    answers = {};
    return answers;
}

} // namespace longlora::test
