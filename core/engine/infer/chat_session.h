// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

#include <memory>

namespace longlora {

/// ChatService in a worker thread of its own, around LoadedModel and Generator.
std::unique_ptr<ChatService> makeChatSession();

} // namespace longlora
