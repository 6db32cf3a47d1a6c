// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merged_weight.h"

#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <fmt/format.h>

namespace longlora {

void forEachMergedBlock(const MergeSource& source, const std::string& name, at::ScalarType dtype,
                        const std::function<void(const at::Tensor& rows)>& take)
{
    const LoraPair* const pair = source.update(name);
    LoraPair update;
    at::Tensor buffer;
    source.forEachBlock(name, [&](std::int64_t first, const at::Tensor& rows) {
        if (!isFinite(rows)) {
            requireFinite(source.weight(name), name, "Merging"); // says which element
        }
        const bool isDouble = rows.scalar_type() == at::kDouble || dtype == at::kDouble;
        const at::ScalarType wide = isDouble ? at::kDouble : at::kFloat;
        if (pair == nullptr && rows.scalar_type() == dtype) {
            take(rows.clone()); // the view must not outlive this visit
            return;
        }
        if (!buffer.defined()) {
            buffer = at::empty(rows.sizes(), rows.options().dtype(wide));
        }
        const at::Tensor block = buffer.narrow(0, 0, rows.size(0)).copy_(rows);
        if (pair != nullptr) {
            if (!update.a.defined()) {
                update = {pair->a.to(wide), pair->b.to(wide), pair->scale};
            }
            block.addmm_(update.b.narrow(0, first, rows.size(0)), update.a, 1.0, update.scale);
        }
        const at::Tensor result = block.to(dtype, false, /*copy=*/true);
        if (!isFinite(result)) {
            requireFinite(block, name + fmt::format(", rows from {} on,", first), "Merging");
            throw DataError(name + " has values beyond the range of " + dtypeName(dtype),
                            "Merge as bf16 or fp32.");
        }
        take(result);
    });
}

} // namespace longlora
