// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/lora_stack.h"

#include "core/engine/model/lora.h"
#include "core/engine/tensor/rows_with_room.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>

namespace longlora {

namespace {

/// A copy in its place, which is from now on the tensor.
void moveInto(const at::Tensor& place, at::Tensor& tensor)
{
    place.copy_(tensor);
    tensor = place;
}

/// The pairs' A become slices of `a`.
void shareA(const std::vector<LoraLinear*>& maps, const at::Tensor& a)
{
    std::int64_t first = 0;
    for (LoraLinear* const map : maps) {
        if (map->lora) {
            const std::int64_t rank = map->lora->a.size(0);
            moveInto(a.narrow(0, first, rank), map->lora->a);
            first += rank;
        }
    }
}

/// Weights and B become slices of a matrix, whose rows A are returned with the last map's.
at::Tensor shareMatrix(const std::vector<LoraLinear*>& maps, std::int64_t rank)
{
    const at::Tensor& like = maps.front()->weight;
    const std::int64_t inputs = like.size(1);
    std::int64_t outputs = 0;
    for (const LoraLinear* const map : maps) {
        outputs += map->weight.size(0);
    }
    const RowsWithRoom matrix = rowsWithRoom(outputs + rank, inputs, rank, like.options());
    matrix.room.zero_();
    std::int64_t firstRow = 0;
    std::int64_t firstRank = 0;
    at::Tensor last;
    for (LoraLinear* const map : maps) {
        const std::int64_t count = map->weight.size(0);
        last = matrix.rows.narrow(0, firstRow, outputs + rank - firstRow);
        map->extended = matrix.whole.narrow(0, firstRow, count);
        moveInto(matrix.rows.narrow(0, firstRow, count), map->weight);
        if (map->lora) {
            const std::int64_t ranks = map->lora->b.size(1);
            moveInto(map->extended.narrow(1, inputs + firstRank, ranks), map->lora->b);
            firstRank += ranks;
        }
        firstRow += count;
    }
    return last;
}

} // namespace

LoraStack stackLora(const std::vector<LoraLinear*>& maps)
{
    LoraStack stack;
    std::int64_t rank = 0;
    at::Tensor like;
    for (const LoraLinear* const map : maps) {
        if (map->lora) {
            like = map->lora->a;
            rank += like.size(0);
            stack.scale = map->lora->scale;
        }
    }
    if (rank == 0) {
        return stack;
    }
    const bool areDense = std::all_of(maps.begin(), maps.end(),
                                      [](const LoraLinear* map) { return map->weight.defined(); });
    if (areDense) {
        stack.lastWithA = shareMatrix(maps, rank);
        stack.a = stack.lastWithA.narrow(0, stack.lastWithA.size(0) - rank, rank);
    } else {
        stack.a = at::empty({rank, like.size(1)}, like.options());
    }
    shareA(maps, stack.a);
    return stack;
}

} // namespace longlora
