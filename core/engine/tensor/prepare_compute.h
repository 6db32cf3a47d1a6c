// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace longlora {

/// Threads, memory and denormals of this process: once, before the first operator. `threads` >= 1.
void prepareCompute(int threads);

} // namespace longlora
