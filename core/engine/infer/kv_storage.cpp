// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/kv_storage.h"

#include "core/engine/tensor/kernel_views.h"
#include "kernels/kv_quantization.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

namespace longlora {

namespace {

at::ScalarType scalarType(const at::TensorOptions& options)
{
    return c10::typeMetaToScalarType(options.dtype());
}

void storeInEightBits(const StoredVectors& into, const at::Tensor& x)
{
    constexpr double kLargestCode = 127.0;
    const at::Tensor wide = x.to(at::kFloat);
    const at::Tensor scales = wide.abs().amax({3}).div_(kLargestCode);
    // Of a head that is all 0 the scale is 0, and any divisor will do.
    const at::Tensor divisor = at::where(scales.eq(0.0), at::ones({}, scales.options()), scales);
    into.scales.copy_(scales);
    into.numbers.copy_(wide.div(divisor.unsqueeze(3)).round_());
}

kernels::FourBitVectors fourBitVectors(const StoredVectors& stored)
{
    const std::int64_t tokenBytes = stored.numbers.size(3);
    return {static_cast<kernels::FourBitGroup*>(stored.numbers.data_ptr()),
            stored.numbers.stride(1) / tokenBytes};
}

} // namespace

KvStorage::KvStorage(KvFormat format, std::int64_t kvHeads, std::int64_t headDim,
                     const at::TensorOptions& options)
    : m_format(format == KvFormat::BFloat16 && scalarType(options) == at::kBFloat16
                   ? KvFormat::Model
                   : format)
    , m_kvHeads(kvHeads)
    , m_headDim(headDim)
    , m_options(options)
{}

double KvStorage::bytesPerToken() const
{
    const StoredVectors none = allocate(0);
    const auto elements = static_cast<double>(m_kvHeads * none.numbers.size(3));
    const auto scales = none.scales.defined() ? static_cast<double>(m_kvHeads) : 0.0;
    return elements * static_cast<double>(none.numbers.element_size()) + scales * sizeof(float);
}

StoredVectors KvStorage::allocate(std::int64_t tokens) const
{
    const auto made = [&](std::int64_t width, at::ScalarType dtype) {
        return at::empty({1, m_kvHeads, tokens, width}, m_options.dtype(dtype));
    };
    switch (m_format) {
    case KvFormat::Model:
        break;
    case KvFormat::BFloat16:
        return {made(m_headDim, at::kBFloat16), {}};
    case KvFormat::Int8:
        return {made(m_headDim, at::kChar), made(1, at::kFloat).squeeze(3)};
    case KvFormat::Int4:
        return {made(kernels::fourBitGroups(m_headDim) *
                         static_cast<std::int64_t>(sizeof(kernels::FourBitGroup)),
                     at::kByte),
                {}};
    }
    return {made(m_headDim, scalarType(m_options)), {}};
}

StoredVectors KvStorage::part(const StoredVectors& stored, std::int64_t first, std::int64_t end)
{
    const auto narrowed = [&](const at::Tensor& all) {
        return all.defined() ? all.narrow(2, first, end - first) : all;
    };
    return {narrowed(stored.numbers), narrowed(stored.scales)};
}

void KvStorage::store(const StoredVectors& into, const at::Tensor& x) const
{
    switch (m_format) {
    case KvFormat::Model:
    case KvFormat::BFloat16:
        into.numbers.copy_(x);
        return;
    case KvFormat::Int8:
        storeInEightBits(into, x);
        return;
    case KvFormat::Int4: {
        const at::Tensor heads = x.stride(3) == 1 ? x.squeeze(0) : x.squeeze(0).contiguous();
        kernels::fourBitQuantize({kernelView(heads), fourBitVectors(into), kernelStream(heads)});
        return;
    }
    }
}

void KvStorage::storeAt(const StoredVectors& into, const at::Tensor& position,
                        const at::Tensor& x) const
{
    const StoredVectors one = allocate(1);
    store(one, x);
    into.numbers.index_copy_(2, position, one.numbers);
    if (into.scales.defined()) {
        into.scales.index_copy_(2, position, one.scales);
    }
}

at::Tensor KvStorage::read(const StoredVectors& stored) const
{
    if (m_format == KvFormat::Model) {
        return stored.numbers;
    }
    at::Tensor result = at::empty({1, m_kvHeads, stored.numbers.size(2), m_headDim}, m_options);
    readInto(result, stored);
    return result;
}

void KvStorage::readInto(const at::Tensor& y, const StoredVectors& stored) const
{
    if (m_format == KvFormat::Int4) {
        const at::Tensor heads = y.squeeze(0);
        kernels::fourBitDequantize(
            {fourBitVectors(stored), kernelView(heads), kernelStream(heads)});
    } else if (m_format == KvFormat::Int8) {
        at::Tensor result = y;
        at::mul_out(result, stored.numbers, stored.scales.unsqueeze(3));
    } else {
        y.copy_(stored.numbers);
    }
}

} // namespace longlora
