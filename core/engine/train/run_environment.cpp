// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/run_environment.h"

#include "core/engine/tensor/place_profile.h"

#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <array>

namespace longlora {

std::string environmentJson(const ComputePlace& place)
{
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const nlohmann::ordered_json environment{
        {"host", host.data()},
        {"pid", getpid()},
        {"device", describeDevice(place.device)},
        {"precision", dtypeName(place.dtype)},
        {"deterministic", isDeterministic(place.device)},
        {"threads", at::get_num_threads()},
        {"memory_bytes", placeProfile(place.device).memoryBytes},
        {"libtorch", TORCH_VERSION},
        {"compiler", __VERSION__},
    };
    return environment.dump(2);
}

} // namespace longlora
