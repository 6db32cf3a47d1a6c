// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace longlora {

/// What LibTorch reads from the environment at the first use of a GPU, unless the user has set it:
/// memory in segments that grow, so that large tensors of ever other sizes leave no gaps; a
/// workspace with which cuBLAS is deterministic. First in a program, before there are other
/// threads.
void prepareEnvironment();

/// Threads, memory and denormals of this process: once, before the first operator. `threads` >= 1.
/// On a GPU matrix products in fp32 are exact to fp32, unless TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says
/// otherwise.
void prepareCompute(int threads);

} // namespace longlora
