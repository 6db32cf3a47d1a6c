// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/fuzz/fuzz_target.h"

#include "core/spec/base/error.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace longlora::fuzz {

namespace {

// A second for the program. The sanitizers slow it down by 5 (parsers) to 27 (the interpreter of
// templates, measured). Of processor time: the machine may be busy with something else.
constexpr double kMostSeconds = 5.0;
constexpr std::size_t kLongestMessage = 2000;

double processorSeconds()
{
    timespec time = {};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

bool isControl(char c)
{
    return static_cast<unsigned char>(c) < ' ' || c == '\x7F';
}

void requireGoodMessage(const Error& error)
{
    const std::string message = error.describe();
    const bool isClean = std::none_of(message.begin(), message.end(), isControl);
    const bool namesFile = message.find(kFile) != std::string::npos ||
                           message.find(kMemoryFolder) != std::string::npos;
    const bool isGood = isClean && namesFile && message.size() <= kLongestMessage &&
                        error.exitStatus() == ExitStatus::Data;
    if (!isGood) {
        std::fprintf(stderr, "status %d, %zu bytes: %.400s\n", static_cast<int>(error.exitStatus()),
                     message.size(), message.c_str());
    }
    require(isGood, "a refusal is one short line that names the file");
}

} // namespace

void require(bool holds, const char* what)
{
    if (!holds) {
        std::fprintf(stderr, "BROKEN: %s\n", what);
        std::abort();
    }
}

} // namespace longlora::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace longlora::fuzz;
    const double start = processorSeconds();
    try {
        readAndUse({reinterpret_cast<const char*>(data), size});
    } catch (const longlora::Error& error) {
        requireGoodMessage(error);
    }
    const double seconds = processorSeconds() - start;
    if (seconds > kMostSeconds) {
        std::fprintf(stderr, "%.2f s\n", seconds);
    }
    require(seconds <= kMostSeconds, "an input takes at most a second, five with the sanitizers");
    return 0;
}
