// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merged_weight.h"

#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace longlora {

namespace {

/// Computed in one go, from the first step to the last, while it is in the cache; no more than what
/// LibTorch does without waking its other threads. One thread is faster than a disk, and threads
/// that meet after every step wait for each other on a busy machine longer than they compute.
constexpr std::int64_t kSliceElements = std::int64_t{1} << 15;

/// One weight on its way from stored to merged.
class Merging {
public:
    Merging(const LoraPair* pair, at::ScalarType stored, at::ScalarType result)
        : m_result(result)
        , m_wide(stored == at::kDouble || result == at::kDouble ? at::kDouble : at::kFloat)
        , m_isCopy(pair == nullptr && stored == result)
    {
        if (pair != nullptr) {
            m_update = {pair->a.to(m_wide), pair->b.to(m_wide), pair->scale};
        }
    }

    /// Nothing if a number is not finite, in what is stored or in what comes of it.
    std::optional<at::Tensor> merge(const at::Tensor& rows, std::int64_t first) const
    {
        const at::Tensor result = at::empty(rows.sizes(), rows.options().dtype(m_result));
        const std::int64_t rowElements = std::max<std::int64_t>(1, rows.numel() / rows.size(0));
        const std::int64_t grain = std::max<std::int64_t>(1, kSliceElements / rowElements);
        bool finite = true;
        for (std::int64_t begin = 0; begin < rows.size(0); begin += grain) {
            const std::int64_t count = std::min(grain, rows.size(0) - begin);
            const at::Tensor slice = result.narrow(0, begin, count);
            const at::Tensor stored = rows.narrow(0, begin, count);
            slice.copy_(m_isCopy ? stored : widened(stored, first + begin));
            finite = isFinite(slice) && finite;
        }
        return finite ? std::optional(result) : std::nullopt;
    }

    /// W + scale B A of some rows. Shapes: as `stored`.
    at::Tensor widened(const at::Tensor& stored, std::int64_t first) const
    {
        at::Tensor wide = stored.to(m_wide, false, /*copy=*/true);
        if (m_update.a.defined()) {
            wide.addmm_(m_update.b.narrow(0, first, stored.size(0)), m_update.a, 1.0,
                        m_update.scale);
        }
        return wide;
    }

private:
    at::ScalarType m_result;
    at::ScalarType m_wide;
    bool m_isCopy;
    LoraPair m_update;
};

} // namespace

void forEachMergedBlock(const MergeSource& source, const std::string& name, at::ScalarType dtype,
                        const std::function<void(const at::Tensor& rows)>& take)
{
    std::optional<Merging> merging;
    source.forEachBlock(name, [&](std::int64_t first, const at::Tensor& rows) {
        if (!merging) {
            merging.emplace(source.update(name), rows.scalar_type(), dtype);
        }
        if (const std::optional<at::Tensor> result = merging->merge(rows, first)) {
            take(*result);
            return;
        }
        requireFinite(source.weight(name), name, "Merging"); // says which element
        requireFinite(merging->widened(rows, first),
                      name + fmt::format(", rows from {} on,", first), "Merging");
        throw DataError(name + " has values beyond the range of " + dtypeName(dtype),
                        "Merge as bf16 or fp32.");
    });
}

} // namespace longlora
