// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/layer/tiled_layer_pass.h"

#include "core/engine/train/layer/attention_pass.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <utility>

namespace longlora {

namespace {

RotaryTable narrowed(const RotaryTable& table, std::int64_t first, std::int64_t count)
{
    return {table.cos.narrow(0, first, count), table.sin.narrow(0, first, count)};
}

/// Tokens [begin, end) of one row as a pass of their own.
class Tile {
public:
    /// `hidden` is the whole layer's input.
    Tile(const LayerPass& whole, const at::Tensor& hidden, std::int64_t row, std::int64_t begin,
         std::int64_t end)
        : m_first(row * whole.layout.length + begin)
        , m_count(end - begin)
        , m_part(layoutTile(whole.layout, row, begin, end))
        , m_rotary(narrowed(whole.rotary, begin, m_count))
        , m_pass{whole.layer,   whole.gradients, whole.config, m_rotary,
                 m_part.layout, whole.mlpTile,   &m_edges}
    {
        m_edges.halo = m_part.halo;
        if (m_part.halo > 0) {
            const RotaryTable rotary = narrowed(whole.rotary, begin - m_part.halo, m_part.halo);
            const AttentionLayout layout{1, m_part.halo, {}, 0};
            const auto [key, value] =
                keysAndValues({whole.layer, whole.gradients, whole.config, rotary, layout},
                              hidden.narrow(0, m_first - m_part.halo, m_part.halo));
            m_edges.haloKey = key;
            m_edges.haloValue = value;
        }
    }
    Tile(const Tile&) = delete;
    Tile& operator=(const Tile&) = delete;

    at::Tensor of(const at::Tensor& x_Td) const { return x_Td.narrow(0, m_first, m_count); }
    const LayerPass& pass() const { return m_pass; }
    TileEdges& edges() { return m_edges; }

private:
    std::int64_t m_first;
    std::int64_t m_count;
    LayoutTile m_part;
    RotaryTable m_rotary;
    TileEdges m_edges;
    LayerPass m_pass;
};

} // namespace

at::Tensor tiledLayerForward(const LayerPass& pass, std::int64_t tile, const at::Tensor& hidden,
                             LayerActivations& kept)
{
    kept.hidden = hidden;
    at::Tensor output = at::empty_like(hidden);
    const std::int64_t length = pass.layout.length;
    for (std::int64_t row = 0; row < pass.layout.batch; ++row) {
        for (std::int64_t begin = 0; begin < length; begin += tile) {
            const Tile part(pass, hidden, row, begin, std::min(begin + tile, length));
            LayerActivations keptOfTile;
            part.of(output).copy_(
                layerPassForward(part.pass(), part.of(hidden), RecomputeLevel::Full, keptOfTile));
        }
    }
    return output;
}

void tiledLayerBackward(const LayerPass& pass, std::int64_t tile, LayerActivations& kept,
                        at::Tensor& gradient)
{
    const std::int64_t length = pass.layout.length;
    const std::int64_t last = (length - 1) / tile * tile;
    for (std::int64_t row = 0; row < pass.layout.batch; ++row) {
        TileEdges behind;
        for (std::int64_t begin = last; begin >= 0; begin -= tile) {
            Tile part(pass, kept.hidden, row, begin, std::min(begin + tile, length));
            part.edges().lastKeyGradient = std::move(behind.haloKeyGradient);
            part.edges().lastValueGradient = std::move(behind.haloValueGradient);
            LayerActivations keptOfTile;
            keptOfTile.hidden = part.of(kept.hidden);
            at::Tensor gradientOfTile = part.of(gradient);
            layerPassBackward(part.pass(), keptOfTile, gradientOfTile);
            behind = std::move(part.edges());
        }
    }
    kept.hidden.reset();
}

} // namespace longlora
