// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/decode_attention.h"
#include "kernels/dispatch.h"
#include "kernels/kv_quantization.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace longlora::kernels {

namespace {

struct Case {
    std::int64_t heads, kvHeads, headDim, tokens;
};

/// Tokens that a head has room for.
std::int64_t room(const Case& c)
{
    return c.tokens + 3;
}

/// Keys or values in a format, and what they stand for: [kv heads, room, head_dim].
struct Cached {
    Cached(const Case& c, CacheFormat format, unsigned seed)
        : exact(static_cast<std::size_t>(room(c) * c.kvHeads * c.headDim))
        , scales(static_cast<std::size_t>(room(c) * c.kvHeads))
    {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal;
        std::uniform_real_distribution<float> scale(0.005F, 0.02F);
        std::generate(scales.begin(), scales.end(), [&] { return scale(random); });
        vectors = {nullptr, format, room(c), nullptr};
        if (format == CacheFormat::Int4) {
            makeGroups(c, random);
            return;
        }
        for (std::size_t i = 0; i < exact.size(); ++i) {
            const float x = normal(random);
            switch (format) {
            case CacheFormat::Float32:
                floats.push_back(x);
                exact[i] = x;
                break;
            case CacheFormat::BFloat16:
                bfloats.push_back(fromCompute<BFloat16>(x));
                exact[i] = toCompute(bfloats.back());
                break;
            case CacheFormat::Float16:
                halves.push_back(fromCompute<Float16>(x));
                exact[i] = toCompute(halves.back());
                break;
            case CacheFormat::Int8:
                codes.push_back(static_cast<std::int8_t>(std::clamp(x * 40.0F, -127.0F, 127.0F)));
                exact[i] = static_cast<double>(codes.back()) *
                           scales[i / static_cast<std::size_t>(c.headDim)];
                break;
            case CacheFormat::Int4:
                break;
            }
        }
        vectors.data = floats.data();
        if (format == CacheFormat::BFloat16) {
            vectors.data = bfloats.data();
        } else if (format == CacheFormat::Float16) {
            vectors.data = halves.data();
        } else if (format == CacheFormat::Int8) {
            vectors.data = codes.data();
            vectors.scales = scales.data();
        }
    }

    /// Any groups, not only those that numbers of a normal distribution become.
    void makeGroups(const Case& c, std::mt19937& random)
    {
        const std::int64_t inVector = fourBitGroups(c.headDim);
        std::uniform_real_distribution<float> scale(0.01F, 0.3F), minimum(-3.0F, 0.5F);
        groups.resize(static_cast<std::size_t>(room(c) * c.kvHeads * inVector));
        for (FourBitGroup& group : groups) {
            group.scale = fromCompute<BFloat16>(scale(random));
            group.minimum = fromCompute<BFloat16>(minimum(random));
            for (std::uint8_t& code : group.codes) {
                code = static_cast<std::uint8_t>(random());
            }
        }
        for (std::size_t i = 0; i < exact.size(); ++i) {
            const auto d = static_cast<std::int64_t>(i) % c.headDim;
            const auto vector = static_cast<std::int64_t>(i) / c.headDim;
            const FourBitGroup& group =
                groups[static_cast<std::size_t>(vector * inVector + d / FourBitGroup::kNumbers)];
            const std::uint8_t both = group.codes[d % 16];
            exact[i] = static_cast<double>(toCompute(group.minimum)) +
                       static_cast<double>(toCompute(group.scale)) *
                           (d % FourBitGroup::kNumbers < 16 ? both & 15 : both >> 4);
        }
        vectors.data = groups.data();
    }

    /// Of the vectors as kept.
    std::size_t bytes() const
    {
        return floats.size() * sizeof(float) + bfloats.size() * sizeof(BFloat16) +
               halves.size() * sizeof(Float16) + codes.size() +
               groups.size() * sizeof(FourBitGroup);
    }

    std::vector<double> exact;
    std::vector<float> floats, scales;
    std::vector<BFloat16> bfloats;
    std::vector<Float16> halves;
    std::vector<std::int8_t> codes;
    std::vector<FourBitGroup> groups;
    CachedVectors vectors;
};

/// Of the tokens [first, end).
std::vector<double> naive(const Case& c, const std::vector<float>& q, const Cached& keys,
                          const Cached& values, std::int64_t first, std::int64_t end)
{
    std::vector<double> out(q.size());
    for (std::int64_t h = 0; h < c.heads; ++h) {
        const std::int64_t kvHead = h / (c.heads / c.kvHeads);
        std::vector<double> weight(static_cast<std::size_t>(c.tokens));
        double total = 0.0;
        for (std::int64_t t = first; t < end; ++t) {
            double score = 0.0;
            for (std::int64_t d = 0; d < c.headDim; ++d) {
                score += static_cast<double>(q[h * c.headDim + d]) *
                         keys.exact[(kvHead * room(c) + t) * c.headDim + d];
            }
            weight[t] = std::exp(score / std::sqrt(static_cast<double>(c.headDim)));
            total += weight[t];
        }
        for (std::int64_t t = first; t < end; ++t) {
            for (std::int64_t d = 0; d < c.headDim; ++d) {
                out[h * c.headDim + d] +=
                    weight[t] / total * values.exact[(kvHead * room(c) + t) * c.headDim + d];
            }
        }
    }
    return out;
}

std::vector<float> randomQueries(const Case& c)
{
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::vector<float> q(static_cast<std::size_t>(c.heads * c.headDim));
    std::generate(q.begin(), q.end(), [&] { return normal(random); });
    return q;
}

/// Memory that a device sees with a copy of `bytes` in it.
std::shared_ptr<void> copiedTo(Device device, const void* from, std::size_t bytes)
{
    std::shared_ptr<void> memory = poisonedMemory(device, std::max<std::size_t>(bytes, 16));
    if (bytes > 0) {
        std::memcpy(memory.get(), from, bytes);
    }
    return memory;
}

/// Vectors in memory of a device.
struct Placed {
    Placed(Device device, const Cached& cached)
        : data(copiedTo(device, cached.vectors.data, cached.bytes()))
        , scales(copiedTo(device, cached.scales.data(), cached.scales.size() * sizeof(float)))
        , vectors(cached.vectors)
    {
        vectors.data = data.get();
        vectors.scales = vectors.scales != nullptr ? static_cast<float*>(scales.get()) : nullptr;
    }

    std::shared_ptr<void> data, scales;
    CachedVectors vectors;
};

/// What `args` give, which say everything but where.
std::vector<float> decoded(DecodeAttention args, const Case& c, const std::vector<float>& q,
                           Device device, int threads = 1)
{
    const TestArray<float> queries(device, q), out(device, std::vector<float>(q.size()));
    const std::int64_t numbers =
        decodeWorkspace(c.heads, c.headDim, args.tokens, args.recentTokens);
    const std::shared_ptr<void> workspace =
        poisonedMemory(device, static_cast<std::size_t>(numbers) * sizeof(float));
    args.q = contiguousView<const void>(queries.data(), DType::Float32, {c.heads, c.headDim});
    args.kvHeads = c.kvHeads;
    args.out = contiguousView<void>(out.data(), DType::Float32, {c.heads, c.headDim});
    args.workspace = static_cast<float*>(workspace.get());
    args.stream = {device, nullptr, threads};
    decodeAttention(args);
    synchronise(device);
    return out.values();
}

std::vector<float> decoded(const Case& c, const std::vector<float>& q, const Cached& keys,
                           const Cached& values, Device device, int threads = 1)
{
    const Placed k(device, keys), v(device, values);
    return decoded({.keys = k.vectors, .values = v.vectors, .tokens = c.tokens}, c, q, device,
                   threads);
}

std::vector<Device> devices()
{
    return kCudaCompiled ? std::vector<Device>{Device::Cpu, Device::Cuda}
                         : std::vector<Device>{Device::Cpu};
}

class Decode : public testing::TestWithParam<std::tuple<Device, CacheFormat, Case>> {};

TEST_P(Decode, IsTheFormula)
{
    const auto& [device, format, c] = GetParam();
    LONGLORA_SKIP_WITHOUT_DEVICE(device);
    const Cached keys(c, format, 1), values(c, format, 2);
    const std::vector<float> q = randomQueries(c);
    const std::vector<double> expected = naive(c, q, keys, values, 0, c.tokens);
    const std::vector<float> out = decoded(c, q, keys, values, device);
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_NEAR(out[i], expected[i], 2e-6) << i;
    }
    EXPECT_EQ(decoded(c, q, keys, values, device, 3), out) << "with other threads";
}

TEST_P(Decode, KnowsFromTheDeviceHowManyTokensThereAre)
{
    const auto& [device, format, c] = GetParam();
    LONGLORA_SKIP_WITHOUT_DEVICE(device);
    const Cached keys(c, format, 1), values(c, format, 2);
    const std::vector<float> q = randomQueries(c);
    const Placed k(device, keys), v(device, values);
    for (const std::int64_t newest : {std::int64_t{0}, c.tokens / 2, c.tokens - 1}) {
        for (const std::int64_t window : {std::int64_t{0}, std::int64_t{1}, c.tokens / 3}) {
            const TestArray<std::int64_t> position(device, {newest});
            const std::vector<float> out = decoded({.keys = k.vectors,
                                                    .values = v.vectors,
                                                    .tokens = c.tokens,
                                                    .newest = position.data(),
                                                    .window = window},
                                                   c, q, device);
            const std::int64_t first =
                window > 0 ? std::max<std::int64_t>(0, newest + 1 - window) : 0;
            const std::vector<double> expected = naive(c, q, keys, values, first, newest + 1);
            for (std::size_t i = 0; i < out.size(); ++i) {
                EXPECT_NEAR(out[i], expected[i], 2e-6) << newest << " " << window << " " << i;
            }
        }
    }
}

std::string decodeName(const testing::TestParamInfo<std::tuple<Device, CacheFormat, Case>>& one)
{
    const auto& [device, format, c] = one.param;
    const char* const formats[] = {"Float32", "BFloat16", "Float16", "Int8", "Int4"};
    return std::string(device == Device::Cpu ? "Cpu" : "Cuda") + formats[static_cast<int>(format)] +
           "Of" + std::to_string(c.heads) + "Heads" + std::to_string(c.tokens) + "Tokens";
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Decode,
    testing::Combine(testing::ValuesIn(devices()),
                     testing::Values(CacheFormat::Float32, CacheFormat::BFloat16,
                                     CacheFormat::Float16, CacheFormat::Int8, CacheFormat::Int4),
                     testing::Values(Case{1, 1, 8, 1}, Case{4, 2, 16, 255}, Case{9, 3, 64, 256},
                                     Case{6, 1, 20, 257}, Case{8, 8, 33, 1000},
                                     Case{7, 7, 128, 131}, Case{15, 5, 80, 65})),
    decodeName);

class DecodeOn : public testing::TestWithParam<Device> {};

INSTANTIATE_TEST_SUITE_P(Devices, DecodeOn, testing::ValuesIn(devices()), [](const auto& one) {
    return std::string(one.param == Device::Cpu ? "Cpu" : "Cuda");
});

TEST_P(DecodeOn, TakesTheNewestTokensInAnotherFormat)
{
    const Device device = GetParam();
    LONGLORA_SKIP_WITHOUT_DEVICE(device);
    for (const std::int64_t tokens : {0, 1, 128, 300}) {
        for (const std::int64_t recent : {1, 64, 127, 129}) {
            const Case old{6, 2, 40, tokens}, newest{6, 2, 40, recent},
                all{6, 2, 40, tokens + recent};
            const Cached keys(old, CacheFormat::Int4, 1), values(old, CacheFormat::Int4, 2);
            const Cached recentKeys(newest, CacheFormat::BFloat16, 3);
            const Cached recentValues(newest, CacheFormat::BFloat16, 4);
            Cached allKeys(all, CacheFormat::Float32, 5), allValues(all, CacheFormat::Float32, 6);
            const auto join = [&](Cached& whole, const Cached& first, const Cached& second) {
                for (std::int64_t i = 0; i < all.kvHeads * all.tokens * all.headDim; ++i) {
                    const std::int64_t d = i % all.headDim, t = i / all.headDim % all.tokens;
                    const std::int64_t head = i / (all.headDim * all.tokens);
                    whole.exact[(head * room(all) + t) * all.headDim + d] =
                        t < tokens
                            ? first.exact[(head * room(old) + t) * all.headDim + d]
                            : second.exact[(head * room(newest) + t - tokens) * all.headDim + d];
                }
            };
            join(allKeys, keys, recentKeys);
            join(allValues, values, recentValues);
            const std::vector<float> q = randomQueries(all);
            const std::vector<double> expected = naive(all, q, allKeys, allValues, 0, all.tokens);
            const Placed k(device, keys), v(device, values);
            const Placed newestK(device, recentKeys), newestV(device, recentValues);
            const std::vector<float> out = decoded({.keys = k.vectors,
                                                    .values = v.vectors,
                                                    .tokens = tokens,
                                                    .recentKeys = newestK.vectors,
                                                    .recentValues = newestV.vectors,
                                                    .recentTokens = recent},
                                                   old, q, device);
            for (std::size_t i = 0; i < out.size(); ++i) {
                EXPECT_NEAR(out[i], expected[i], 2e-6) << tokens << " " << recent << " " << i;
            }
        }
    }
}

TEST_P(DecodeOn, NaNInIsNaNOut)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam());
    const Case c{2, 1, 8, 600};
    Cached keys(c, CacheFormat::Float32, 1), values(c, CacheFormat::Float32, 2);
    keys.floats[300 * 8] = std::numeric_limits<float>::quiet_NaN();
    for (const float x : decoded(c, randomQueries(c), keys, values, GetParam())) {
        EXPECT_TRUE(std::isnan(x));
    }
}

} // namespace

} // namespace longlora::kernels
