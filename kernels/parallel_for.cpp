// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/parallel_for.h"

#include <algorithm>

#ifdef _OPENMP
#    include <omp.h>
#else
#    include <thread>
#    include <vector>
#endif

namespace longlora::kernels {

namespace {

int availableThreads()
{
#ifdef _OPENMP
    return omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
#else
    return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
#endif
}

} // namespace

void parallelFor(std::int64_t count, std::int64_t grain, int threads,
                 const std::function<void(std::int64_t, std::int64_t)>& body)
{
    if (count <= 0) {
        return;
    }
    const std::int64_t wanted = threads > 0 ? threads : availableThreads();
    const std::int64_t useful = (count + grain - 1) / grain;
    const int used = static_cast<int>(std::clamp<std::int64_t>(useful, 1, wanted));
    const auto runPart = [&](std::int64_t part, std::int64_t parts) {
        body(count * part / parts, count * (part + 1) / parts);
    };

#ifdef _OPENMP
    if (used == 1 || omp_in_parallel() != 0) {
        body(0, count);
        return;
    }
#    pragma omp parallel num_threads(used)
    runPart(omp_get_thread_num(), omp_get_num_threads()); // the runtime may give fewer than asked
#else
    std::vector<std::jthread> helpers;
    for (int part = 1; part < used; ++part) {
        helpers.emplace_back([&runPart, part, used] { runPart(part, used); });
    }
    runPart(0, used);
#endif
}

} // namespace longlora::kernels
