// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: c tokens of a tile, d hidden, f intermediate.
#include "core/engine/train/layer/mlp_pass.h"

#include "core/engine/tensor/kernel_bridge.h"
#include "core/engine/train/layer/linear_group.h"
#include "core/engine/train/layer/linear_pass.h"
#include "core/engine/train/layer/norm_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>

namespace longlora {

namespace {

/// Calls visit(begin, count) for tiles that together are all tokens.
template <class Visit>
void forEachTile(const LayerPass& pass, const Visit& visit)
{
    const std::int64_t tokens = pass.tokens();
    const std::int64_t tile = pass.mlpTile > 0 ? std::min(pass.mlpTile, tokens) : tokens;
    for (std::int64_t begin = 0; begin < tokens; begin += tile) {
        visit(begin, std::min(tile, tokens - begin));
    }
}

/// Memory of one tile's intermediate results, made once for all tiles.
class Scratch {
public:
    Scratch(const LayerPass& pass, const at::Tensor& x)
    {
        forEachTile(
            pass, [&](std::int64_t, std::int64_t count) { m_tokens = std::max(m_tokens, count); });
        m_options = x.options();
        m_width = pass.config.intermediateSize;
    }
    /// [count, f]: of `whole` where that is kept, else of the scratch memory number `slot`.
    at::Tensor tile(const at::Tensor& whole, std::size_t slot, std::int64_t begin,
                    std::int64_t count)
    {
        if (whole.defined()) {
            return whole.narrow(0, begin, count);
        }
        if (!m_slots[slot].defined()) {
            m_slots[slot] = at::empty({m_tokens, m_width}, m_options);
        }
        return m_slots[slot].narrow(0, 0, count);
    }

private:
    std::int64_t m_tokens = 0;
    std::int64_t m_width = 0;
    at::TensorOptions m_options;
    std::array<at::Tensor, 3> m_slots;
};
constexpr std::size_t kGateSlot = 0;
constexpr std::size_t kUpSlot = 1;
constexpr std::size_t kProductSlot = 2;

const char* geluOf(const ModelConfig& config)
{
    return config.activation == Activation::GeluTanh ? "tanh" : "none";
}

NormPass normedInput(const LayerPass& pass, const at::Tensor& x)
{
    return normPassForward(pass.layer.postAttentionNorm, pass.config, x, pass.layer.mlpLora.rank());
}

/// In the order of mlpInputs().
std::vector<at::Tensor> upAndGate(const at::Tensor& up, const at::Tensor& gate)
{
    return gate.defined() ? std::vector{up, gate} : std::vector{up};
}

void activate(const LayerPass& pass, const at::Tensor& gate, const at::Tensor& up, at::Tensor& out)
{
    if (pass.config.gatedMlp) {
        swigluForward(gate, up, out);
    } else {
        at::gelu_out(out, up, geluOf(pass.config));
    }
}

/// `gate` and `up` become their gradients.
void activateBackward(const LayerPass& pass, at::Tensor& gate, at::Tensor& up,
                      const at::Tensor& dProduct)
{
    if (pass.config.gatedMlp) {
        swigluBackward(gate, up, dProduct);
    } else {
        at::gelu_backward_out(up, dProduct, up, geluOf(pass.config));
    }
}

} // namespace

void mlpPassForward(const LayerPass& pass, const at::Tensor& x, const at::Tensor& residual,
                    const LayerActivations& kept, at::Tensor& y)
{
    const LinearGroup maps = mlpInputs(pass.layer, pass.config);
    Scratch scratch(pass, x);
    forEachTile(pass, [&](std::int64_t begin, std::int64_t count) {
        const NormPass normed = normedInput(pass, x.narrow(0, begin, count));
        at::Tensor gate =
            pass.config.gatedMlp ? scratch.tile(kept.gate, kGateSlot, begin, count) : at::Tensor();
        at::Tensor up = scratch.tile(kept.up, kUpSlot, begin, count);
        linearGroupForward(maps, normed.y, upAndGate(up, gate));
        // What is kept must stay, what is not may be overwritten.
        at::Tensor product = kept.up.defined() ? scratch.tile({}, kProductSlot, begin, count) : up;
        activate(pass, gate, up, product);
        at::Tensor into = y.narrow(0, begin, count);
        linearForward(pass.layer.down, product, residual.narrow(0, begin, count), into);
    });
}

void mlpPassBackward(const LayerPass& pass, const at::Tensor& x, LayerActivations& kept,
                     at::Tensor& gradient)
{
    const DecoderLayer &layer = pass.layer, &sums = pass.gradients;
    const LinearGroup maps = mlpInputs(layer, pass.config);
    const LinearGroup sumsOfMaps = mlpInputs(sums, pass.config);
    const bool isKept = kept.up.defined();
    Scratch scratch(pass, x);
    forEachTile(pass, [&](std::int64_t begin, std::int64_t count) {
        const at::Tensor input = x.narrow(0, begin, count);
        at::Tensor dY = gradient.narrow(0, begin, count);
        const NormPass normed = normedInput(pass, input);
        at::Tensor gate =
            pass.config.gatedMlp ? scratch.tile(kept.gate, kGateSlot, begin, count) : at::Tensor();
        at::Tensor up = scratch.tile(kept.up, kUpSlot, begin, count);
        if (!isKept) {
            linearGroupForward(maps, normed.y, upAndGate(up, gate));
        }
        at::Tensor product; // the down projection's input, needed only where that is trained
        if (readsInput(sums.down)) {
            product = at::empty_like(up);
            activate(pass, gate, up, product);
        }
        at::Tensor dProduct = scratch.tile({}, kProductSlot, begin, count);
        linearBackward({layer.down, sums.down, product, dY}, dProduct);
        activateBackward(pass, gate, up, dProduct);

        at::Tensor dNormed = at::empty_like(input);
        linearGroupBackward({maps, sumsOfMaps, normed.y.rows, upAndGate(up, gate), {}}, dNormed);
        normPassBackward(layer.postAttentionNorm, sums.postAttentionNorm, input, normed, dNormed);
        dY.add_(dNormed);
    });
    kept.gate.reset();
    kept.up.reset();
}

} // namespace longlora
