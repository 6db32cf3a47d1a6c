// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/linear_group.h"

#include "core/engine/tensor/matrix_product.h"
#include "core/engine/train/layer/linear_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

namespace {

LoraLinear withoutUpdate(const at::Tensor& weight, const at::Tensor& bias = {})
{
    return {weight, bias, {}, {}, {}};
}

/// Calls visit(i, first, rank) for each map that has an update, which has the columns [first,
/// first + rank) of the stack's.
template <class Visit>
void forEachUpdate(const LinearGroup& group, const Visit& visit)
{
    std::int64_t first = 0;
    for (std::size_t i = 0; i < group.maps.size(); ++i) {
        if (group.maps[i]->lora) {
            const std::int64_t rank = group.maps[i]->lora->a.size(0);
            visit(i, first, rank);
            first += rank;
        }
    }
}

/// scale x A^T of all maps. Shapes: x [tokens, in], `into` [tokens, rank] undefined: a new one.
at::Tensor hiddenOf(const LoraStack& lora, const at::Tensor& x, const at::Tensor& into)
{
    at::Tensor hidden = into.defined() ? into : at::empty({x.size(0), lora.rank()}, x.options());
    multiplyInto(hidden, {x, lora.a.t(), {}, lora.scale});
    return hidden;
}

/// scale dY_i B_i of all maps, side by side.
at::Tensor hiddenGradient(const LinearGroupBackward& pass)
{
    const LoraStack& lora = pass.group.lora;
    const at::Tensor& like = pass.dYs.front();
    const at::Tensor dHidden = pass.last.room.defined()
                                   ? pass.last.room
                                   : at::empty({like.size(0), lora.rank()}, like.options());
    forEachUpdate(pass.group, [&](std::size_t i, std::int64_t first, std::int64_t rank) {
        at::Tensor part = dHidden.narrow(1, first, rank);
        multiplyInto(part, {pass.dYs[i], pass.group.maps[i]->lora->b, {}, lora.scale});
    });
    return dHidden;
}

/// The gradient of x where the maps have updates: the last product takes all of these with it.
void inputGradient(const LinearGroupBackward& pass, const at::Tensor& dHidden, at::Tensor& dX)
{
    const std::vector<const LoraLinear*>& maps = pass.group.maps;
    const LoraStack& lora = pass.group.lora;
    const bool isExtended = pass.last.room.defined() && lora.hasMatrix();
    for (std::size_t i = 0; i < maps.size(); ++i) {
        const bool accumulates = i > 0;
        if (isExtended && i + 1 == maps.size()) {
            linearBackward({withoutUpdate(lora.lastWithA), {}, {}, pass.last.whole, accumulates},
                           dX);
        } else {
            linearBackward({withoutUpdate(maps[i]->weight), {}, {}, pass.dYs[i], accumulates}, dX);
        }
    }
    if (!isExtended) {
        multiplyInto(dX, {dHidden, lora.a, dX});
    }
}

} // namespace

LinearGroup attentionInputs(const DecoderLayer& layer, const ModelConfig& config)
{
    if (config.fusedQueryKeyValue) {
        return {{&layer.qkv}, layer.attentionLora};
    }
    return {{&layer.q, &layer.k, &layer.v}, layer.attentionLora};
}

LinearGroup mlpInputs(const DecoderLayer& layer, const ModelConfig& config)
{
    if (config.gatedMlp) {
        return {{&layer.up, &layer.gate}, layer.mlpLora};
    }
    return {{&layer.up}, layer.mlpLora};
}

void linearGroupForward(const LinearGroup& group, const RowsWithRoom& x,
                        const std::vector<at::Tensor>& ys)
{
    const LoraStack& lora = group.lora;
    const at::Tensor hidden = lora.rank() > 0 ? hiddenOf(lora, x.rows, x.room) : at::Tensor();
    const bool isExtended = x.room.defined() && lora.hasMatrix();
    for (std::size_t i = 0; i < ys.size(); ++i) {
        const LoraLinear& map = *group.maps[i];
        at::Tensor y = ys[i];
        if (y.defined()) {
            linearForward(withoutUpdate(isExtended ? map.extended : map.weight, map.bias),
                          isExtended ? x.whole : x.rows, {}, y);
        }
    }
    if (!isExtended) {
        forEachUpdate(group, [&](std::size_t i, std::int64_t first, std::int64_t rank) {
            if (at::Tensor y = ys[i]; y.defined()) {
                multiplyInto(y, {hidden.narrow(1, first, rank), group.maps[i]->lora->b.t(), y});
            }
        });
    }
}

void linearGroupBackward(const LinearGroupBackward& pass, at::Tensor& dX)
{
    const LinearGroup& group = pass.group;
    const LoraStack& lora = group.lora;
    if (lora.rank() == 0) {
        for (std::size_t i = 0; i < group.maps.size(); ++i) {
            linearBackward({*group.maps[i], *pass.gradients.maps[i], pass.x, pass.dYs[i], i > 0},
                           dX);
        }
        return;
    }
    const at::Tensor dHidden = hiddenGradient(pass);
    inputGradient(pass, dHidden, dX);
    addGradientOfA(pass.gradients.lora.a, dHidden, pass.x, 1.0);
    const at::Tensor hidden = hiddenOf(lora, pass.x, {});
    forEachUpdate(group, [&](std::size_t i, std::int64_t first, std::int64_t rank) {
        addGradientOfB(pass.gradients.maps[i]->lora->b, pass.dYs[i], hidden.narrow(1, first, rank),
                       1.0);
    });
}

} // namespace longlora
