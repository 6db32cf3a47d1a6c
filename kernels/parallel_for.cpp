// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/parallel_for.h"

#include <omp.h>

#include <algorithm>

namespace longlora::kernels {

void parallelFor(std::int64_t count, std::int64_t grain, int threads,
                 const std::function<void(std::int64_t, std::int64_t)>& body)
{
    if (count <= 0) {
        return;
    }
    const std::int64_t wanted = threads > 0 ? threads : omp_get_max_threads();
    const std::int64_t useful = (count + grain - 1) / grain;
    const int used = static_cast<int>(std::clamp<std::int64_t>(useful, 1, wanted));
    if (used == 1 || omp_in_parallel() != 0) {
        body(0, count);
        return;
    }
#pragma omp parallel num_threads(used)
    {
        const std::int64_t part = omp_get_thread_num();
        const std::int64_t parts = omp_get_num_threads(); // may be fewer than asked for
        body(count * part / parts, count * (part + 1) / parts);
    }
}

} // namespace longlora::kernels
