// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora::test {

namespace {

using Json = nlohmann::ordered_json;

Json bench(const std::string& what, std::vector<std::string> options)
{
    options.insert(options.begin(), {"bench", what, "--shape", "models/llama-gqa-llama3"});
    options.emplace_back("--json");
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.json();
}

TEST(BenchCommand, TrainingStandsBesideItsFloor)
{
    const Json json = bench("train", {"--context", "96", "--rounds", "2", "--set",
                                      "memory.recompute=full", "--set", "batch.micro_batch=2"});
    EXPECT_EQ(json.at("tokens_per_step"), 192);
    const double seconds = json.at("seconds_per_step");
    EXPECT_NEAR(json.at("tokens_per_second").get<double>(), 192.0 / seconds, 1e-6 / seconds);
    const double meanwhile = json.at("product_flops");
    EXPECT_GT(meanwhile, 0.0);
    EXPECT_GT(json.at("executed_flops").get<double>(), json.at("model_flops").get<double>())
        << "at this level layers are computed again";
    EXPECT_NEAR(json.at("hfu").get<double>(), json.at("executed_flops").get<double>() / meanwhile,
                1e-9);
    EXPECT_NEAR(json.at("mfu").get<double>(), json.at("model_flops").get<double>() / meanwhile,
                1e-9);
    EXPECT_NEAR(json.at("floor_seconds").get<double>(), json.at("hfu").get<double>() * seconds,
                1e-9);
    for (const char* speed : {"best_flops_per_second", "own_flops_per_second"}) {
        EXPECT_GT(json.at(speed).get<double>(), 0.0) << speed;
    }
    EXPECT_GT(json.at("peak_bytes").get<double>(), 0.0);
    EXPECT_GT(json.at("planned_peak_bytes").get<double>(), 0.0);
}

TEST(BenchCommand, FourBitsAreTrainedToo)
{
    const Json json = bench("train", {"--context", "64", "--rounds", "1", "--quantization", "nf4"});
    EXPECT_EQ(json.at("tokens_per_step"), 64);
}

TEST(BenchCommand, FewerPairsAreFewerFlops)
{
    const auto flops = [](const std::string& attention) {
        return bench("train", {"--context", "256", "--rounds", "1", "--attention", attention})
            .at("executed_flops")
            .get<double>();
    };
    EXPECT_LT(flops("s2"), flops("full"));
}

TEST(BenchCommand, AttentionAndGenerationAreMeasured)
{
    const Json attention = bench("attention", {"--context", "256", "--group", "64"});
    for (const char* key : {"tokens_per_second", "forward_seconds", "backward_seconds", "hfu"}) {
        EXPECT_GT(attention.at(key).get<double>(), 0.0) << key;
    }
    const Json generation = bench("generate", {"--context", "100"});
    for (const char* key : {"tokens_per_second", "prefill_tokens_per_second", "floor_seconds",
                            "prefill_floor_seconds", "peak_bytes"}) {
        EXPECT_GT(generation.at(key).get<double>(), 0.0) << key;
    }
}

TEST(BenchCommand, RefusesWhatDoesNotFit)
{
    const Outcome outcome = run({"bench", "train", "--shape", "llama2-70b", "--context", "65536"});
    EXPECT_EQ(outcome.status, 4);
    EXPECT_NE(outcome.lastErrorLine().find("GiB"), std::string::npos) << outcome.err;
}

TEST(BenchCommand, RefusesWhatIsNoShape)
{
    const ScratchFolder scratch;
    writeFile(scratch / "shape.json", "{\"architectures\": [\"Mamba\"]}");
    EXPECT_EQ(run({"bench", "train", "--shape", scratch / "shape.json"}).status, 3);
    EXPECT_EQ(run({"bench", "train", "--shape", scratch / "absent"}).status, 3);
    EXPECT_EQ(run({"bench", "train"}).status, 2);
    const Outcome outcome =
        run({"bench", "train", "--shape", "models/llama-mha", "--set", "lora.targets=w_proj"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.lastErrorLine().find("w_proj"), std::string::npos) << outcome.err;
}

} // namespace
} // namespace longlora::test
