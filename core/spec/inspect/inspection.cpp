// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/inspection.h"

#include "core/spec/base/error.h"

namespace longlora {

void Inspection::collect(const std::function<void()>& work)
{
    constexpr std::size_t kMostProblems = 20;
    try {
        work();
    } catch (const Error& error) {
        if (problems.size() < kMostProblems) {
            problems.push_back(error.describe());
        }
    }
}

} // namespace longlora
