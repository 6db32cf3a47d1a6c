// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace longlora {

/// What is wrong with a `precompiled_charsmap` of a sentencepiece model: empty if the library may
/// walk its double array with any text. The layout: size of the trie in bytes (uint32), the trie
/// (a Darts double array of uint32 units), then replacement texts, each ended by NUL.
/// Source: the rules of sentencepiece 0.2.3, and bounds on what 0.2.1 keeps on its stack.
std::string charsmapProblem(std::string_view charsmap);

} // namespace longlora
