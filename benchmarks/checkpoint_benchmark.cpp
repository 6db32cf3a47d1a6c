// SPDX-License-Identifier: GPL-3.0-or-later
// Reading, loading and merging a model of a few gigabytes beside `dd`, in turn, in one run: a share
// of what the machine reads and writes, not a figure of the machine. No Google Benchmark: one round
// takes seconds, and what is compared is another program.
//   checkpoint_benchmark [FOLDER [LAYERS [HIDDEN [ROUNDS]]]]
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/merge.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "core/spec/base/units.h"
#include "core/spec/config/model_weights.h"
#include "tests/engine/large_model.h"

#include <ATen/Tensor.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

using namespace longlora;

namespace {

namespace fs = std::filesystem;

constexpr double kShardBytes = 1e9;

double timed(const std::function<void()>& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

std::vector<fs::path> weightFilesIn(const fs::path& folder)
{
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".safetensors") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

void forgetAll(const fs::path& folder)
{
    for (const fs::path& file : weightFilesIn(folder)) {
        forgetCachedPages(file);
    }
}

void run(const std::string& command)
{
    if (std::system(command.c_str()) != 0) {
        throw DataError("Cannot run " + command);
    }
}

/// Seconds that dd takes for all weight files of `from`: to /dev/null, or copied into `to`.
double ddSeconds(const fs::path& from, const fs::path& to)
{
    return timed([&] {
        for (const fs::path& file : weightFilesIn(from)) {
            const std::string target =
                to.empty() ? "of=/dev/null"
                           : "of='" + (to / file.filename()).string() + "' conv=fdatasync";
            run("dd if='" + file.string() + "' " + target + " bs=1M status=none");
        }
    });
}

/// Every byte of every tensor once.
void touchAll(const fs::path& folder)
{
    const ModelConfig config = readModelConfig(folder);
    const WeightFiles files = WeightFiles::open(folder, config);
    for (const WeightShape& shape : weightShapes(config)) {
        if (!isFinite(files.tensor(shape.name))) {
            throw DataError(shape.name + " is not finite");
        }
    }
}

struct Places {
    fs::path base, adapter, merged, copy;
};

class Rounds {
public:
    explicit Rounds(int count)
        : m_count(count)
    {}
    /// Runs both `count` times in turn and prints what they took.
    void compare(const std::string& name, double bytes, const std::function<double()>& dd,
                 const std::function<double()>& ours) const
    {
        std::vector<double> left;
        std::vector<double> right;
        std::vector<double> share;
        for (int i = 0; i < m_count; ++i) {
            left.push_back(dd());
            right.push_back(ours());
            share.push_back(left.back() / right.back());
        }
        fmt::print("| {} | {:.2f} | {:.2f} | {:.0f} % |\n", name, bytes / median(left) / 1e9,
                   bytes / median(right) / 1e9, 100.0 * median(share));
    }

private:
    int m_count;
};

MergeReport mergeInto(const Places& places, bool verify)
{
    fs::remove_all(places.merged);
    MergeRequest request{places.base, places.adapter, places.merged};
    request.verify = verify;
    request.maxShardBytes = kShardBytes;
    return mergeAdapter(request, {});
}

void compareSpeeds(const Places& places, double bytes, const Rounds& rounds)
{
    fmt::print("\n| | dd, GB/s | ours, GB/s | ours / dd |\n|---|---|---|---|\n");
    const auto ddRead = [&] { return ddSeconds(places.base, {}); };
    const auto read = [&] { return timed([&] { touchAll(places.base); }); };
    rounds.compare("read, warm cache", bytes, ddRead, read);
    const auto cold = [&](const std::function<double()>& work) {
        return [&places, work] {
            forgetAll(places.base);
            return work();
        };
    };
    rounds.compare("read, cache emptied", bytes, cold(ddRead), cold(read));
    const auto load = [&] {
        return timed([&] { loadBaseModel(places.base, {at::kCPU, at::kBFloat16}); });
    };
    rounds.compare("load into memory, cache emptied", bytes, cold(ddRead), cold(load));
    const auto ddCopy = [&] {
        fs::remove_all(places.copy);
        fs::create_directory(places.copy);
        return ddSeconds(places.base, places.copy);
    };
    const auto merge = [&] { return mergeInto(places, false).mergeSeconds; };
    rounds.compare("merge against copying, warm cache", bytes, ddCopy, merge);
    rounds.compare("merge against copying, cache emptied", bytes, cold(ddCopy), cold(merge));
    fs::remove_all(places.copy);
}

void measureMemory(const Places& places, double bytes)
{
    fmt::print("\n| | of the model | peak, beyond the program's own |\n|---|---|---|\n");
    const auto peakOf = [&](const std::string& name, const std::function<void()>& work) {
        resetPeakMemory(at::kCPU);
        const double before = memoryInUse(at::kCPU);
        work();
        const double taken = peakMemory(at::kCPU) - before;
        fmt::print("| {} | {:.1f} % | {} |\n", name, 100.0 * taken / bytes, formatBytes(taken));
    };
    peakOf("merge", [&] { mergeInto(places, false); });
    peakOf("merge and verify", [&] { mergeInto(places, true); });
    peakOf("load as stored", [&] { loadBaseModel(places.base, {at::kCPU, at::kBFloat16}); });
}

void benchmark(const fs::path& folder, std::int64_t layers, std::int64_t hidden, int rounds)
{
    const Places places{folder / "base", folder / "adapter", folder / "merged", folder / "copy"};
    const ModelConfig config = test::largeModelConfig(layers, hidden);
    test::writeLargeModel(places.base, config, at::kBFloat16, kShardBytes);
    test::writeLargeAdapter(places.adapter, config);
    const double bytes = WeightFiles::open(places.base, config).totalBytes();
    double largest = 0.0;
    for (const WeightShape& shape : weightShapes(config)) {
        largest = std::max(largest, 2.0 * static_cast<double>(shape.count()));
    }
    fmt::print("{} parameters, {} in {} files, largest tensor {}, adapter {}; medians of {}\n",
               formatCount(config.parameterCount()), formatBytes(bytes),
               weightFilesIn(places.base).size(), formatBytes(largest),
               formatBytes(storedBytes(places.adapter)), rounds);
    forgetAll(places.base);
    const double seconds = timed([&] { WeightFiles::open(places.base, config); });
    fmt::print("opened, headers read from the disk: {:.1f} ms\n", 1000.0 * seconds);
    compareSpeeds(places, bytes, Rounds(rounds));
    measureMemory(places, bytes);
}

} // namespace

int main(int argc, char** argv)
{
    const auto number = [&](int index, long fallback) {
        return argc > index ? std::strtol(argv[index], nullptr, 10) : fallback;
    };
    const fs::path folder = (argc > 1 ? fs::path(argv[1]) : fs::temp_directory_path()) /
                            ("longlora-checkpoint-benchmark-" + std::to_string(::getpid()));
    int status = 0;
    std::setvbuf(stdout, nullptr, _IOLBF, 0); // lines are seen as they come
    try {
        fs::create_directories(folder);
        benchmark(folder, number(2, 36), number(3, 2048), static_cast<int>(number(4, 3)));
    } catch (const std::exception& problem) {
        fmt::print(stderr, "{}\n", problem.what());
        status = 1;
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return status;
}
