// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace longlora::kernels {

/// What a test is repeated for.
struct KernelCase {
    Device device = Device::Cpu;
    DType dtype = DType::Float64;
    double tolerance = 0.0; ///< largest error over largest reference value
};

/// The cases of an operator: CPU and CUDA by dtype. fp64 is held to 1e-12; `float32` and `half` are
/// the tolerances for Float32 and for both 16-bit types in units of their rounding.
std::vector<KernelCase> kernelCases(double float32, double bfloat16, double float16);
/// Those in fp64 alone, for finite differences.
std::vector<KernelCase> float64Cases();
/// E.g. "CpuBFloat16".
std::string caseName(const testing::TestParamInfo<KernelCase>& testCase);

/// Skips the test unless the device of the case is there.
#define LONGLORA_SKIP_WITHOUT_DEVICE(deviceOfCase)                                                 \
    if (!deviceIsPresent(deviceOfCase))                                                            \
    GTEST_SKIP() << "NO CUDA DEVICE: the CUDA kernel was compiled but NOT run"

bool deviceIsPresent(Device device);
void synchronise(Device device);

/// Memory the device and this program both see, filled with 0xff: NaN in every dtype.
std::shared_ptr<void> poisonedMemory(Device device, std::size_t bytes);

/// An array of test data: any dtype, gaps between rows, poisoned outside the values written.
class TestTensor {
public:
    /// `gap` elements lie between consecutive indices of each but the last dimension.
    TestTensor(const KernelCase& kernelCase, std::vector<std::int64_t> sizes, std::int64_t gap = 0);

    TensorView view() const { return m_view; }
    std::int64_t count() const;
    /// Values in row-major order of the indices, widened to double.
    std::vector<double> values() const;
    /// Rounds to the dtype.
    void fill(const std::vector<double>& values);
    void set(std::int64_t index, double value);
    double get(std::int64_t index) const;
    /// Normally distributed, rounded to the dtype; returns what was stored.
    std::vector<double> fillRandom(std::mt19937& random, double deviation = 1.0);
    /// Whether the bytes in the gaps are still poison.
    bool gapsAreUntouched() const;

private:
    std::int64_t offset(std::int64_t index) const;

    std::shared_ptr<void> m_memory;
    TensorView m_view;
    std::int64_t m_elements = 0;
};

/// A plain array the device can read and write.
template <typename T>
class TestArray {
public:
    TestArray(Device device, const std::vector<T>& values)
        : m_memory(poisonedMemory(device, values.size() * sizeof(T)))
        , m_count(values.size())
    {
        std::copy(values.begin(), values.end(), data());
    }

    T* data() const { return static_cast<T*>(m_memory.get()); }
    std::vector<T> values() const { return {data(), data() + m_count}; }

private:
    std::shared_ptr<void> m_memory;
    std::size_t m_count;
};

/// max |a - b| / max |b|; NaN counts as infinite.
double relativeError(const std::vector<double>& a, const std::vector<double>& b);

/// max |a - b| / max |scale|: for results that are small differences of terms as large as `scale`.
double relativeError(const std::vector<double>& a, const std::vector<double>& b,
                     const std::vector<double>& scale);

} // namespace longlora::kernels
