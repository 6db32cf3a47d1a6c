// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>

namespace longlora {

struct DemoPaths {
    std::filesystem::path plays; ///< in: *_gut.txt
    std::filesystem::path out;   ///< resources/demo
    std::filesystem::path work;  ///< rows and runs that are not kept
};

/// Makes every file of the bundled demo: tokenizer, base model trained from nothing at 256 tokens
/// with a length curriculum, texts to extend on and to measure on, the book with its planted fact,
/// the question. `effort` scales the training steps. Skips what the work folder already holds.
/// Throws: Error kinds.
void makeDemo(const DemoPaths& paths, std::int64_t seed, double effort, int threads);

} // namespace longlora
