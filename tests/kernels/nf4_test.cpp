// SPDX-License-Identifier: GPL-3.0-or-later
// Against what bitsandbytes computed (tests/golden/nf4, see MAKING.md there).
#include "kernels/nf4.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>

namespace longlora::kernels {

namespace {

/// Just enough of safetensors for files that we made ourselves.
class GoldenFile {
public:
    explicit GoldenFile(const std::string& name)
    {
        std::ifstream file(std::string(LONGLORA_GOLDEN_DIR) + "/nf4/" + name + ".safetensors",
                           std::ios::binary);
        m_bytes.assign(std::istreambuf_iterator<char>(file), {});
        std::uint64_t headerBytes = 0;
        std::memcpy(&headerBytes, m_bytes.data(), sizeof(headerBytes));
        m_header = std::string_view(m_bytes).substr(8, headerBytes);
        m_data = 8 + headerBytes;
    }

    template <typename T>
    std::vector<T> values(const std::string& name) const
    {
        constexpr std::string_view kOffsets = "\"data_offsets\":[";
        const std::size_t entry = m_header.find('"' + name + "\":");
        const std::size_t at = m_header.find(kOffsets, entry) + kOffsets.size();
        std::size_t read = 0;
        const std::string rest(m_header.substr(at, 50));
        const std::size_t begin = std::stoull(rest, &read);
        const std::size_t end = std::stoull(rest.substr(read + 1));
        std::vector<T> result((end - begin) / sizeof(T));
        std::memcpy(result.data(), m_bytes.data() + m_data + begin, end - begin);
        return result;
    }

private:
    std::string m_bytes;
    std::string_view m_header;
    std::size_t m_data = 0;
};

template <typename T>
std::size_t differences(const std::vector<T>& a, const std::vector<T>& b)
{
    EXPECT_EQ(a.size(), b.size());
    return static_cast<std::size_t>(std::inner_product(
        a.begin(), a.end(), b.begin(), 0, std::plus<>(), [](T x, T y) { return x != y ? 1 : 0; }));
}

/// A golden case in the storage type of its weight.
template <typename T>
void expectGolden(const std::string& name, DType dtype, const std::vector<Device>& devices)
{
    const GoldenFile golden(name);
    const std::vector<T> weight = golden.values<T>("weight");
    const auto count = static_cast<std::int64_t>(weight.size());
    std::vector<std::uint8_t> packed(static_cast<std::size_t>(nf4PackedBytes(count)));
    std::vector<float> absmax(static_cast<std::size_t>(nf4Blocks(count)));
    nf4Quantize({contiguousView<const void>(weight.data(), dtype, {1, count}), packed.data(),
                 absmax.data(), 0});
    EXPECT_EQ(absmax, golden.values<float>("absmax")) << name;
    EXPECT_LE(differences(packed, golden.values<std::uint8_t>("packed")), packed.size() / 1000)
        << name;

    for (const Device device : devices) {
        const TestArray<std::uint8_t> codes(device, golden.values<std::uint8_t>("packed"));
        const TestArray<float> scales(device, golden.values<float>("absmax"));
        const TestArray<T> y(device, weight);
        nf4Dequantize({codes.data(),
                       scales.data(),
                       contiguousView<void>(y.data(), dtype, {1, count}),
                       {device, nullptr, 0}});
        synchronise(device);
        const std::vector<T> expected = golden.values<T>("dequantised");
        const std::vector<T> actual = y.values();
        EXPECT_EQ(std::memcmp(actual.data(), expected.data(), expected.size() * sizeof(T)), 0)
            << name;
    }
}

std::vector<Device> presentDevices()
{
    std::vector<Device> devices{Device::Cpu};
    if (deviceIsPresent(Device::Cuda)) {
        devices.push_back(Device::Cuda);
    }
    return devices;
}

} // namespace

TEST(Nf4, EqualsBitsandbytes)
{
    for (const char* const name : {"fp32-64x128", "fp32-special", "fp32-tail-7x45"}) {
        expectGolden<float>(name, DType::Float32, presentDevices());
    }
    expectGolden<std::uint16_t>("bf16-96x192", DType::BFloat16, presentDevices());
}

TEST(Nf4, DoubleQuantisationEqualsBitsandbytes)
{
    for (const char* const name :
         {"fp32-64x128", "fp32-special", "fp32-tail-7x45", "bf16-96x192"}) {
        const GoldenFile golden(name);
        const std::vector<float> absmax = golden.values<float>("absmax");
        const auto count = static_cast<std::int64_t>(absmax.size());
        std::vector<std::uint8_t> codes(absmax.size());
        std::vector<float> scales(golden.values<float>("absmax_absmax").size());
        const float offset = absmaxQuantize({absmax.data(), count, codes.data(), scales.data()});
        EXPECT_NEAR(offset, golden.values<float>("absmax_offset")[0], 1e-6F * offset);

        const std::vector<std::uint8_t> expected = golden.values<std::uint8_t>("absmax_code");
        EXPECT_LE(differences(codes, expected), codes.size() / 100) << name;
        for (std::size_t i = 0; i < codes.size(); ++i) {
            EXPECT_LE(std::abs(int(codes[i]) - int(expected[i])), 1) << name;
        }
        const std::vector<float> theirs = golden.values<float>("absmax_restored");
        for (const Device device : presentDevices()) {
            const TestArray<std::uint8_t> theirCodes(device, expected);
            const TestArray<float> theirScales(device, golden.values<float>("absmax_absmax"));
            const TestArray<float> restored(device, absmax);
            absmaxDequantize({theirCodes.data(),
                              theirScales.data(),
                              golden.values<float>("absmax_offset")[0],
                              count,
                              restored.data(),
                              {device, nullptr, 0}});
            synchronise(device);
            for (std::size_t i = 0; i < theirs.size(); ++i) {
                EXPECT_NEAR(restored.values()[i], theirs[i], 1e-6F * std::abs(theirs[i])) << name;
            }
        }
    }
}

TEST(Nf4, DequantisesIntoTheLeftPartOfWiderRows)
{
    constexpr std::int64_t kRows = 5;
    constexpr std::int64_t kColumns = 96; // a block and a half: blocks cross rows
    std::mt19937 random(1);
    TestTensor x({Device::Cpu, DType::Float32, 0.0}, {kRows, kColumns});
    const std::vector<double> values = x.fillRandom(random);
    std::vector<std::uint8_t> packed(nf4PackedBytes(x.count()));
    std::vector<float> absmax(static_cast<std::size_t>(nf4Blocks(x.count())));
    nf4Quantize({x.view(), packed.data(), absmax.data(), 0});
    for (const Device device : presentDevices()) {
        for (const DType dtype :
             {DType::Float64, DType::Float32, DType::BFloat16, DType::Float16}) {
            TestTensor y({device, dtype, 0.0}, {kRows, kColumns}, /*gap=*/16);
            const TestArray<std::uint8_t> codes(device, packed);
            const TestArray<float> scales(device, absmax);
            nf4Dequantize({codes.data(), scales.data(), y.view(), {device, nullptr, 0}});
            synchronise(device);
            EXPECT_TRUE(y.gapsAreUntouched());
            // Half the widest gap between levels.
            for (std::int64_t i = 0; i < x.count(); ++i) {
                const double block =
                    static_cast<double>(absmax[static_cast<std::size_t>(i / kNf4BlockSize)]);
                EXPECT_LE(std::abs(y.get(i) - values[static_cast<std::size_t>(i)]), 0.16 * block);
            }
        }
    }
}

TEST(Nf4, AnyNumberOfThreadsGivesTheSameBits)
{
    std::mt19937 random(2);
    TestTensor x({Device::Cpu, DType::BFloat16, 0.0}, {300, 257});
    x.fillRandom(random);
    std::vector<std::uint8_t> packed[2];
    for (const int threads : {1, 3}) {
        auto& bytes = packed[threads / 2];
        bytes.resize(static_cast<std::size_t>(nf4PackedBytes(x.count())));
        std::vector<float> absmax(static_cast<std::size_t>(nf4Blocks(x.count())));
        nf4Quantize({x.view(), bytes.data(), absmax.data(), threads});
    }
    EXPECT_EQ(packed[0], packed[1]);
}

} // namespace longlora::kernels
