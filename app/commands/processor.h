// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace longlora::app {

/// Takes $OMP_NUM_THREADS threads, or as many as this process may use processors. Once per program,
/// before anything is computed.
void prepareProcessor();

} // namespace longlora::app
