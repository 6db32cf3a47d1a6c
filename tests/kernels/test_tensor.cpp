// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/kernels/test_tensor.h"

#include "kernels/dispatch.h"
#include "tests/kernels/test_memory.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>

namespace longlora::kernels {

std::vector<KernelCase> kernelCases(double float32, double bfloat16, double float16)
{
    std::vector<KernelCase> cases;
    for (const Device device : {Device::Cpu, Device::Cuda}) {
        if (device == Device::Cuda && !kCudaCompiled) {
            continue;
        }
        cases.push_back({device, DType::Float64, 1e-12});
        cases.push_back({device, DType::Float32, float32});
        cases.push_back({device, DType::BFloat16, bfloat16});
        cases.push_back({device, DType::Float16, float16});
    }
    return cases;
}

std::vector<KernelCase> float64Cases()
{
    std::vector<KernelCase> cases = kernelCases(0.0, 0.0, 0.0);
    std::erase_if(cases, [](const KernelCase& c) { return c.dtype != DType::Float64; });
    return cases;
}

std::string caseName(const testing::TestParamInfo<KernelCase>& testCase)
{
    const KernelCase& kernelCase = testCase.param;
    const char* const dtypes[] = {"Float64", "Float32", "BFloat16", "Float16"};
    return std::string(kernelCase.device == Device::Cpu ? "Cpu" : "Cuda") +
           dtypes[static_cast<int>(kernelCase.dtype)];
}

bool deviceIsPresent(Device device)
{
    if constexpr (kCudaCompiled) {
        return device == Device::Cpu || cuda::deviceIsPresent();
    }
    return device == Device::Cpu;
}

void synchronise(Device device)
{
    if constexpr (kCudaCompiled) {
        if (device == Device::Cuda) {
            cuda::synchronise();
        }
    }
}

std::shared_ptr<void> poisonedMemory(Device device, std::size_t bytes)
{
    std::shared_ptr<void> memory;
    if constexpr (kCudaCompiled) {
        if (device == Device::Cuda) {
            memory = cuda::managedMemory(bytes);
        }
    }
    if (device == Device::Cpu) {
        memory = {::operator new(bytes), [](void* start) { ::operator delete(start); }};
    }
    std::memset(memory.get(), 0xff, bytes);
    return memory;
}

TestTensor::TestTensor(const KernelCase& kernelCase, std::vector<std::int64_t> sizes,
                       std::int64_t gap)
{
    m_view.dtype = kernelCase.dtype;
    m_view.rank = static_cast<int>(sizes.size());
    std::int64_t stride = 1;
    for (std::size_t axis = sizes.size(); axis-- > 0;) {
        m_view.sizes[axis] = sizes[axis];
        m_view.strides[axis] = stride;
        stride = stride * sizes[axis] + gap;
    }
    m_elements = stride;
    m_memory = poisonedMemory(kernelCase.device,
                              static_cast<std::size_t>(m_elements * elementBytes(m_view.dtype)));
    m_view.data = m_memory.get();
}

std::int64_t TestTensor::count() const
{
    std::int64_t count = 1;
    for (int axis = 0; axis < m_view.rank; ++axis) {
        count *= m_view.sizes[static_cast<std::size_t>(axis)];
    }
    return count;
}

std::int64_t TestTensor::offset(std::int64_t index) const
{
    std::int64_t result = 0;
    for (auto axis = static_cast<std::size_t>(m_view.rank); axis-- > 0;) {
        result += index % m_view.sizes[axis] * m_view.strides[axis];
        index /= m_view.sizes[axis];
    }
    return result;
}

double TestTensor::get(std::int64_t index) const
{
    double value = 0.0;
    dispatch(m_view.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        value = static_cast<double>(toCompute(static_cast<const T*>(m_view.data)[offset(index)]));
    });
    return value;
}

void TestTensor::set(std::int64_t index, double value)
{
    dispatch(m_view.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        static_cast<T*>(m_view.data)[offset(index)] =
            fromCompute<T>(static_cast<Compute<T>>(value));
    });
}

std::vector<double> TestTensor::values() const
{
    std::vector<double> values;
    for (std::int64_t i = 0; i < count(); ++i) {
        values.push_back(get(i));
    }
    return values;
}

void TestTensor::fill(const std::vector<double>& values)
{
    for (std::size_t i = 0; i < values.size(); ++i) {
        set(static_cast<std::int64_t>(i), values[i]);
    }
}

std::vector<double> TestTensor::fillRandom(std::mt19937& random, double deviation)
{
    std::normal_distribution<double> normal(0.0, deviation);
    for (std::int64_t i = 0; i < count(); ++i) {
        set(i, normal(random));
    }
    return values();
}

bool TestTensor::gapsAreUntouched() const
{
    const std::int64_t bytes = elementBytes(m_view.dtype);
    std::vector<bool> used(static_cast<std::size_t>(m_elements));
    for (std::int64_t i = 0; i < count(); ++i) {
        used[static_cast<std::size_t>(offset(i))] = true;
    }
    const auto* memory = static_cast<const unsigned char*>(m_view.data);
    for (std::int64_t i = 0; i < m_elements * bytes; ++i) {
        if (!used[static_cast<std::size_t>(i / bytes)] && memory[i] != 0xff) {
            return false;
        }
    }
    return true;
}

double relativeError(const std::vector<double>& a, const std::vector<double>& b)
{
    return relativeError(a, b, b);
}

double relativeError(const std::vector<double>& a, const std::vector<double>& b,
                     const std::vector<double>& scale)
{
    double error = a.size() == b.size() ? 0.0 : std::numeric_limits<double>::infinity();
    double largest = 0.0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        const double difference = std::abs(a[i] - b[i]);
        error = difference <= error      ? error
                : std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                         : difference;
    }
    for (const double value : scale) {
        largest = std::max(largest, std::abs(value));
    }
    return error == 0.0 ? 0.0 : error / largest;
}

} // namespace longlora::kernels
