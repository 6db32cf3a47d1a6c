// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string_view>

namespace longlora::fuzz {

/// The name under which targets hand their input to a parser: every refusal must say it.
constexpr const char* kFile = "fuzzed.file";
/// Where the files are of readers that want a path.
constexpr const char* kMemoryFolder = "/proc/self/fd/";

/// What one target does with one input: reads it and uses what was accepted. Each *_fuzzer.cpp
/// defines it; libFuzzer's entry point in fuzz_target.cpp calls it and allows no exception but ours
/// with a message on one line that names the file, and no input that takes over five seconds of
/// processor time.
void readAndUse(std::string_view input);

/// Ends the program, which libFuzzer counts as a find, if `holds` is false.
void require(bool holds, const char* what);

} // namespace longlora::fuzz
