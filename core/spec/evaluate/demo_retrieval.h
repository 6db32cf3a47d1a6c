// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/evaluate/passkey_prompt.h"

#include <string>

namespace longlora {

/// A five-digit pass key in one line between whole lines of `filler`, and the question for it at
/// the end: what the bundled demo model was taught to answer. About `characters` long before the
/// question (whole lines; never more unless key and question alone are); `depth` in [0, 1] places
/// the key, `seed` chooses key and passage.
PasskeyPrompt demoRetrievalPrompt(const std::string& filler, std::int64_t characters, double depth,
                                  std::int64_t seed);

/// The line that plants `key`, with its line feed; the demo's book holds one.
std::string demoKeyLine(const std::string& key);
/// The question that ends a prompt.
std::string demoQuestion();

} // namespace longlora
