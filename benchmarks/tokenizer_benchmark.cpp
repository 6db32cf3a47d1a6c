// SPDX-License-Identifier: GPL-3.0-or-later
// Encoding of a book on one thread, by the tokenizers in tests/golden or by one of your own.
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/text/tokenizer.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace longlora;

constexpr std::size_t kBookBytes = 10'000'000;
constexpr std::uintmax_t kLargestText = std::uintmax_t{1} << 30;

/// The plays that come with the demo, one after another up to 10 MB; LONGLORA_BENCHMARK_TEXT names
/// another text, which is taken as it is.
const std::string& book()
{
    static const std::string text = [] {
        if (const char* file = std::getenv("LONGLORA_BENCHMARK_TEXT")) {
            return readWholeFile(file, kLargestText);
        }
        const std::string part =
            readWholeFile(LONGLORA_SOURCE_DIR "/resources/demo/heldout.txt", kLargestText);
        std::string whole;
        while (whole.size() < kBookBytes) {
            whole += part;
        }
        return whole.substr(0, kBookBytes);
    }();
    return text;
}

void load(benchmark::State& state, const std::filesystem::path& folder)
{
    for (auto _ : state) {
        benchmark::DoNotOptimize(loadTokenizer(folder));
    }
}

void encode(benchmark::State& state, const std::filesystem::path& folder)
{
    const auto tokenizer = loadTokenizer(folder);
    std::size_t tokens = 0;
    for (auto _ : state) {
        tokens = tokenizer->encode(book(), false).size();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(book().size()));
    state.counters["tokens"] = static_cast<double>(tokens);
}

void decode(benchmark::State& state, const std::filesystem::path& folder)
{
    const auto tokenizer = loadTokenizer(folder);
    const std::vector<TokenId> ids = tokenizer->encode(book(), false);
    for (auto _ : state) {
        benchmark::DoNotOptimize(tokenizer->decode(ids, true));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(book().size()));
}

void addFolder(const std::filesystem::path& folder)
{
    const std::string name = folder.filename().string();
    using benchmark::kMillisecond;
    using benchmark::RegisterBenchmark;
    RegisterBenchmark(("load/" + name).c_str(), load, folder)->Unit(kMillisecond);
    RegisterBenchmark(("encode/" + name).c_str(), encode, folder)->Unit(kMillisecond);
    RegisterBenchmark(("decode/" + name).c_str(), decode, folder)->Unit(kMillisecond);
}

} // namespace

int main(int argc, char** argv)
{
    benchmark::Initialize(&argc, argv);
    try {
        if (argc < 2) {
            const std::filesystem::path golden = LONGLORA_SOURCE_DIR "/tests/golden/tokenizer";
            addFolder(golden / "smollm2");
            addFolder(golden / "mistral-v1");
        }
        for (int i = 1; i < argc; ++i) {
            addFolder(argv[i]);
        }
        benchmark::RunSpecifiedBenchmarks();
    } catch (const Error& error) {
        std::cerr << error.describe() << '\n';
        return static_cast<int>(error.exitStatus());
    }
    return 0;
}
