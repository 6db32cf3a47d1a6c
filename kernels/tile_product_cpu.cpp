// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: tile_product.h. Tested against float64 written out naively.
#include "kernels/tile_product.h"
#include "kernels/tile_queue_step.h"

#include <cassert>
#include <stdexcept>

namespace longlora::kernels {

void TileQueue::add(const TileProduct& product)
{
    if (m_current == m_count) {
        m_current = 0;
        m_count = 0;
    }
    assert(m_count < kMost);
    m_products[m_count++] = product;
}

std::int64_t TileQueue::steps() const
{
    constexpr std::int64_t kBlock = 32;
    std::int64_t steps = 0;
    for (std::size_t i = m_current; i < m_count; ++i) {
        const TileProduct& product = m_products[i];
        steps += product.rows / kBlock * (product.columns / kBlock) * (product.inner / kBlock);
    }
    return steps;
}

#ifdef LONGLORA_HAS_MATRIX_UNITS

LONGLORA_MATRIX_UNITS void finishQueue(TileQueue& queue)
{
    for (std::int64_t left = queue.steps(); left > 0; --left) {
        queue.step();
    }
}

void TileQueue::finish()
{
    while (m_current < m_count) {
        finishQueue(*this);
    }
}

#else

void TileQueue::finish()
{
    throw std::logic_error("TileQueue: this processor has no matrix units");
}

#endif

} // namespace longlora::kernels
