// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, of a tile with its halo, T = B S without the halo, H heads, K kv heads, D
// head_dim, d hidden.
#include "core/engine/train/layer/attention_pass.h"

#include "core/engine/tensor/kernel_bridge.h"
#include "core/engine/train/layer/linear_group.h"
#include "core/engine/train/layer/linear_pass.h"
#include "core/engine/train/layer/norm_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

namespace {

/// q, k and v, each [B, S, heads, D], or their gradients: slices of one tensor where the model
/// projects them as one, else tensors of their own. The last tensor has room in its rows.
struct Projections {
    Projections(const LayerPass& pass, const at::Tensor& like, std::int64_t room = 0)
    {
        const ModelConfig& config = pass.config;
        const std::int64_t batch = pass.layout.batch, length = pass.layout.length;
        const auto heads = [&](std::int64_t count, std::int64_t width) {
            return at::empty({batch, length, count, width}, like.options());
        };
        const auto lastHeads = [&](std::int64_t count, std::int64_t width) {
            last = rowsWithRoom(batch * length, count * width, room, like.options());
            return last.rows.view({batch, length, count, width});
        };
        if (config.fusedQueryKeyValue) {
            fused = lastHeads(config.headCount, 3 * config.headDim);
            const auto parts = fused.split(config.headDim, 3);
            query = parts[0];
            key = parts[1];
            value = parts[2];
        } else {
            query = heads(config.headCount, config.headDim);
            key = heads(config.kvHeadCount, config.headDim);
            value = lastHeads(config.kvHeadCount, config.headDim);
        }
    }

    at::Tensor fused, query, key, value;
    RowsWithRoom last; ///< [B S, width] of fused, or of value
};

/// Without the halo.
at::Tensor own(const LayerPass& pass, const at::Tensor& x_BSHD)
{
    return pass.halo() > 0 ? x_BSHD.narrow(1, pass.halo(), x_BSHD.size(1) - pass.halo()) : x_BSHD;
}

at::Tensor haloOf(const LayerPass& pass, const at::Tensor& x_BSHD)
{
    return x_BSHD.narrow(1, 0, pass.halo());
}

at::Tensor rows(const at::Tensor& x_BSHD)
{
    return x_BSHD.view({x_BSHD.size(0) * x_BSHD.size(1), -1});
}

/// In the order of attentionInputs(), [T, width] each.
std::vector<at::Tensor> ownRows(const LayerPass& pass, const Projections& projections)
{
    if (pass.config.fusedQueryKeyValue) {
        return {rows(own(pass, projections.fused))};
    }
    return {rows(own(pass, projections.query)), rows(own(pass, projections.key)),
            rows(own(pass, projections.value))};
}

Projections project(const LayerPass& pass, const RowsWithRoom& normed, bool withQuery = true)
{
    Projections projections(pass, normed.rows);
    std::vector<at::Tensor> ys = ownRows(pass, projections);
    if (!withQuery && ys.size() > 1) {
        ys.front().reset();
    }
    linearGroupForward(attentionInputs(pass.layer, pass.config), normed, ys);
    return projections;
}

/// q or k as attention takes it, without the halo.
at::Tensor rotated(const LayerPass& pass, const Norm& norm, const at::Tensor& withHalo)
{
    const at::Tensor projected = own(pass, withHalo);
    at::Tensor x = pass.config.queryKeyNorm
                       ? rmsNormForward(projected, norm.weight, pass.config.normEpsilon).y
                       : projected;
    rotateForward(x, pass.rotary.cos, pass.rotary.sin);
    return x;
}

/// The gradient of q or k as attention takes it becomes that of the projection; not the halo's.
void rotatedBackward(const LayerPass& pass, const Norm& norm, const Norm& gradients,
                     const at::Tensor& kept, const at::Tensor& keptGradient)
{
    const at::Tensor projected = own(pass, kept);
    at::Tensor gradient = own(pass, keptGradient);
    rotateBackward(gradient, pass.rotary.cos, pass.rotary.sin);
    if (pass.config.queryKeyNorm) {
        const RmsNormed normed = rmsNormForward(projected, norm.weight, pass.config.normEpsilon);
        rmsNormBackward(gradient, projected, norm.weight, normed.inverseRms, gradients.weight);
    }
}

NormPass normedInput(const LayerPass& pass, const LayerActivations& kept)
{
    return normPassForward(pass.layer.inputNorm, pass.config, kept.hidden,
                           pass.layer.attentionLora.rank());
}

/// The halo's queries are never asked; they only have to be numbers.
void fillHalo(const LayerPass& pass, const Projections& projections)
{
    if (pass.halo() > 0) {
        haloOf(pass, projections.query).zero_();
        haloOf(pass, projections.key).copy_(pass.edges->haloKey);
        haloOf(pass, projections.value).copy_(pass.edges->haloValue);
    }
}

/// Fills kept.query, key and value. Without norms of their own, q and k are rotated in place.
void projectInto(const LayerPass& pass, LayerActivations& kept)
{
    const Projections projections = project(pass, normedInput(pass, kept).y);
    fillHalo(pass, projections);
    kept.query = projections.query;
    kept.key = projections.key;
    kept.value = projections.value;
    if (!pass.config.queryKeyNorm) {
        rotated(pass, pass.layer.queryNorm, kept.query);
        rotated(pass, pass.layer.keyNorm, kept.key);
    }
}

struct AttentionTakes {
    at::Tensor query, key;
};

AttentionTakes attentionTakes(const LayerPass& pass, const LayerActivations& kept)
{
    if (!pass.config.queryKeyNorm) {
        return {kept.query, kept.key};
    }
    const auto normedAndRotated = [&](const Norm& norm, const at::Tensor& x_BSHD) {
        const at::Tensor x = rotated(pass, norm, x_BSHD);
        return pass.halo() > 0 ? at::cat({haloOf(pass, x_BSHD), x}, 1) : x;
    };
    return {normedAndRotated(pass.layer.queryNorm, kept.query),
            normedAndRotated(pass.layer.keyNorm, kept.key)};
}

/// Hands the halo's gradients on, and takes those that the tile behind handed on.
void exchangeGradients(const LayerPass& pass, const Projections& d)
{
    if (pass.edges == nullptr) {
        return;
    }
    TileEdges& edges = *pass.edges;
    if (edges.halo > 0) {
        edges.haloKeyGradient = haloOf(pass, d.key).clone();
        edges.haloValueGradient = haloOf(pass, d.value).clone();
    }
    if (edges.lastKeyGradient.defined()) {
        const std::int64_t count = edges.lastKeyGradient.size(1);
        const std::int64_t first = d.key.size(1) - count;
        d.key.narrow(1, first, count).add_(edges.lastKeyGradient);
        d.value.narrow(1, first, count).add_(edges.lastValueGradient);
    }
}

/// Gradients of q, k and v as attention takes them, from that of its result.
Projections attentionGradients(const LayerPass& pass, LayerActivations& kept,
                               const at::Tensor& gradient)
{
    at::Tensor dOut = at::empty_like(kept.attention.out);
    haloOf(pass, dOut).zero_();
    at::Tensor dOutRows = rows(own(pass, dOut));
    linearBackward({pass.layer.o, pass.gradients.o, rows(own(pass, kept.attention.out)), gradient},
                   dOutRows);
    const AttentionTakes inputs = attentionTakes(pass, kept);
    Projections d(pass, gradient, pass.layer.attentionLora.rank());
    segmentedAttentionBackward({inputs.query, inputs.key, kept.value, dOut}, kept.attention,
                               pass.layout, {d.query, d.key, d.value});
    exchangeGradients(pass, d);
    return d;
}

/// From the gradients of the projections to that of what was projected.
at::Tensor projectBackward(const LayerPass& pass, const at::Tensor& normed, const Projections& d)
{
    at::Tensor dNormed = at::empty(normed.sizes(), normed.options());
    linearGroupBackward({attentionInputs(pass.layer, pass.config),
                         attentionInputs(pass.gradients, pass.config), normed, ownRows(pass, d),
                         d.last.narrow(pass.halo(), pass.tokens())},
                        dNormed);
    return dNormed;
}

} // namespace

void attentionPassForward(const LayerPass& pass, LayerActivations& kept)
{
    if (!kept.query.defined()) {
        projectInto(pass, kept);
    }
    const AttentionTakes inputs = attentionTakes(pass, kept);
    kept.attention = segmentedAttentionForward(inputs.query, inputs.key, kept.value, pass.layout);
}

KeysAndValues keysAndValues(const LayerPass& pass, const at::Tensor& hidden)
{
    LayerActivations kept;
    kept.hidden = hidden;
    const Projections projections = project(pass, normedInput(pass, kept).y, /*withQuery=*/false);
    return {rotated(pass, pass.layer.keyNorm, projections.key), projections.value};
}

at::Tensor attentionResidual(const LayerPass& pass, const LayerActivations& kept)
{
    at::Tensor sum = at::empty_like(kept.hidden);
    linearForward(pass.layer.o, rows(own(pass, kept.attention.out)), kept.hidden, sum);
    return sum;
}

at::Tensor attentionPassBackward(const LayerPass& pass, LayerActivations& kept,
                                 const at::Tensor& gradient)
{
    if (!kept.query.defined()) {
        projectInto(pass, kept);
    }
    if (!kept.attention.out.defined()) {
        attentionPassForward(pass, kept);
    }
    Projections d = attentionGradients(pass, kept, gradient);
    kept.attention = {};
    kept.value.reset();
    const DecoderLayer &layer = pass.layer, &sums = pass.gradients;
    rotatedBackward(pass, layer.queryNorm, sums.queryNorm, kept.query, d.query);
    rotatedBackward(pass, layer.keyNorm, sums.keyNorm, kept.key, d.key);
    kept.query.reset();
    kept.key.reset();

    const NormPass normed = normedInput(pass, kept);
    at::Tensor result = projectBackward(pass, normed.y.rows, d);
    normPassBackward(layer.inputNorm, sums.inputNorm, kept.hidden, normed, result);
    return result;
}

} // namespace longlora
