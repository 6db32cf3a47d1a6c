// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: D head_dim, M queries of a block, N keys of a tile, K keys of the segment, padded.
#include "core/engine/attention/cpu_flash_attention.h"

#include "core/engine/attention/tile_multiplier.h"
#include "core/engine/attention/tile_scratch.h"
#include "kernels/attention_tile.h"
#include "kernels/number_types.h"
#include "kernels/parallel_for.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace longlora {

namespace {

using kernels::BFloat16;
using kernels::Rows;

/// Small enough that a block's tiles stay in a core's second cache, large enough for the matrix
/// units.
constexpr std::int64_t kTileKeys = 64;
constexpr std::int64_t kBlockQueries = 128;

constexpr std::int64_t roundedUp(std::int64_t count, std::int64_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

/// One head of one batch row.
struct Head {
    std::int64_t batch, head;

    std::int64_t offset(const at::Tensor& x) const
    {
        return batch * x.stride(0) + head * x.stride(1);
    }
    template <typename T>
    Rows<T> rows(const at::Tensor& x) const
    {
        return {static_cast<const T*>(x.const_data_ptr()) + offset(x), x.stride(2), x.size(2)};
    }
    template <typename T>
    T* data(const at::Tensor& x) const
    {
        return static_cast<T*>(x.mutable_data_ptr()) + offset(x);
    }
};

template <typename T>
Rows<T> slice(const Rows<T>& x, std::int64_t first, std::int64_t count)
{
    return {x.data + first * x.stride, x.stride, std::min(count, x.count - first)};
}

/// The tiles of keys that a block of queries sees.
struct SeenTiles {
    std::int64_t begin, end; ///< keys; begin a multiple of kTileKeys
    std::int64_t last() const { return begin + (end - 1 - begin) / kTileKeys * kTileKeys; }
};

/// What is common to all blocks of a call.
struct Problem {
    std::int64_t heads; ///< of all batch rows
    std::int64_t headsPerRow, queries, keys, headDim;
    std::int64_t width; ///< queries of a block
    std::int64_t parts; ///< tasks that a head's blocks are dealt to, so that all threads have work
    KeyVisibility visible;
    float scale;

    Problem(const at::Tensor& q, const at::Tensor& k, const KeyVisibility& seen)
        : heads(q.size(0) * q.size(1))
        , headsPerRow(q.size(1))
        , queries(q.size(2))
        , keys(k.size(2))
        , headDim(q.size(3))
        , width(queries > kBlockQueries / 2 ? kBlockQueries : roundedUp(queries, 32))
        , visible(seen)
        , scale(1.0F / std::sqrt(static_cast<float>(headDim)))
    {
        if (visible.window <= 0) {
            visible.window = keys + queries;
        }
        const std::int64_t tasks = 4L * at::get_num_threads();
        parts = std::clamp<std::int64_t>((tasks + heads - 1) / heads, 1, blocks());
    }

    std::int64_t paddedKeys() const { return roundedUp(keys, kTileKeys); }
    std::int64_t keyNumbers() const { return paddedKeys() * headDim; }
    std::int64_t queryNumbers() const { return width * headDim; }
    std::int64_t tileNumbers() const { return kTileKeys * width; }
    std::int64_t blocks() const { return (queries + width - 1) / width; }
    Head head(std::int64_t index) const { return {index / headsPerRow, index % headsPerRow}; }

    SeenTiles tilesOf(std::int64_t firstQuery) const
    {
        const std::int64_t position = visible.firstQuery + firstQuery;
        const std::int64_t first = std::clamp<std::int64_t>(position - visible.window + 1, 0, keys);
        return {first / kTileKeys * kTileKeys, std::clamp<std::int64_t>(position + width, 0, keys)};
    }

    void hide(float* scores, std::int64_t firstQuery, std::int64_t firstKey) const
    {
        const std::int64_t position = visible.firstQuery + firstQuery;
        const bool allSeen = firstKey + kTileKeys <= std::min(position + 1, keys) &&
                             firstKey > position + width - 1 - visible.window;
        if (!allSeen) {
            kernels::hideScores(scores, kTileKeys, width,
                                {firstKey - position, visible.window, keys - firstKey});
        }
    }
};

/// Keys or values of a head as whole tiles, one row after another, filled up with 0: strides of a
/// power of two, which heads have in their tensor, would share few lines of the first cache.
template <typename T>
void packRows(const Rows<T>& rows, const Problem& problem, T* packed)
{
    for (std::int64_t r = 0; r < rows.count; ++r) {
        std::copy_n(rows.data + r * rows.stride, problem.headDim, packed + r * problem.headDim);
    }
    std::fill(packed + rows.count * problem.headDim, packed + problem.keyNumbers(), T{});
}

/// Gives every thread a Worker, and the workers the tasks [0, count), to whoever is free.
template <typename Worker, typename Args>
void shareOut(std::int64_t count, const Args& args, const Problem& problem)
{
    Scratch size;
    Worker{args, problem, size};
    const std::int64_t workers = std::min<std::int64_t>(at::get_num_threads(), count);
    const auto bytes = static_cast<std::int64_t>(size.used());
    const at::Tensor memory = at::empty({workers, bytes}, at::kByte);
    auto* const block = static_cast<std::byte*>(memory.mutable_data_ptr());
    std::atomic<std::int64_t> next{0};
    kernels::parallelFor(workers, 1, static_cast<int>(workers),
                         [&](std::int64_t first, std::int64_t end) {
                             if (first == end) {
                                 return;
                             }
                             Scratch scratch(block + first * bytes);
                             Worker worker(args, problem, scratch);
                             for (std::int64_t task = next++; task < count; task = next++) {
                                 worker.run(task);
                             }
                         });
}

/// A part of the blocks of one head is a task.
template <typename T>
class Forward {
    struct Tile {
        Tile(const Problem& problem, Scratch& scratch)
            : scores(scratch.take<float>(problem.tileNumbers()))
            , share(scratch.take<T>(problem.tileNumbers()))
        {}
        float* scores;
        T* share;
    };

public:
    Forward(const CpuFlashForward& args, const Problem& problem, Scratch& scratch)
        : m_args(args)
        , m_problem(problem)
        , m_keys(scratch.take<T>(problem.keyNumbers()))
        , m_valuesT(scratch.take<T>(problem.keyNumbers()))
        , m_queriesT(scratch.take<T>(problem.queryNumbers()))
        , m_tiles{Tile(problem, scratch), Tile(problem, scratch)}
        , m_outT(scratch.take<float>(problem.queryNumbers()))
        , m_maximum(scratch.take<float>(problem.width))
        , m_sum(scratch.take<float>(problem.width))
        , m_factor(scratch.take<float>(problem.width))
        , m_tileMaximum(scratch.take<float>(problem.width))
        , m_multiplier(problem.headDim)
    {}

    void run(std::int64_t task)
    {
        const Head head = m_problem.head(task / m_problem.parts);
        packRows(head.rows<T>(m_args.k), m_problem, m_keys);
        kernels::transposeRows(head.rows<T>(m_args.v), m_problem.headDim, m_problem.paddedKeys(),
                               m_valuesT);
        for (std::int64_t b = task % m_problem.parts; b < m_problem.blocks();
             b += m_problem.parts) {
            block(head, b * m_problem.width);
        }
    }

private:
    void block(const Head& head, std::int64_t firstQuery)
    {
        const Rows<T> queries = slice(head.rows<T>(m_args.q), firstQuery, m_problem.width);
        kernels::pairTransposed(queries, m_problem.headDim, m_problem.width, m_queriesT);
        // Lower than any score, but finite: a query may see nothing of its first tiles.
        std::fill_n(m_maximum, m_problem.width, -std::numeric_limits<float>::max() / 2);
        std::fill_n(m_sum, m_problem.width, 0.0F);
        addTiles(firstQuery, m_problem.tilesOf(firstQuery));
        finish(head, firstQuery, queries.count);
    }

    // While vector units make a tile's softmax, matrix units add the shares of the tile before and
    // make the scores of the tile behind.
    void addTiles(std::int64_t firstQuery, const SeenTiles& seen)
    {
        m_multiplier.now(scoresOf(seen.begin));
        for (std::int64_t key = seen.begin; key < seen.end; key += kTileKeys) {
            const bool isFirst = key == seen.begin;
            std::swap(m_tiles[0], m_tiles[1]); // [1] is this tile, [0] the one before and behind
            if (!isFirst) {
                m_multiplier.meanwhile(addShareOf(key - kTileKeys, seen));
            }
            if (key + kTileKeys < seen.end) {
                m_multiplier.meanwhile(scoresOf(key + kTileKeys));
            }
            m_problem.hide(m_tiles[1].scores, firstQuery, key);
            const bool raised = softmax(m_tiles[1]);
            m_multiplier.finish();
            if (raised && !isFirst) {
                kernels::scaleColumns(m_outT, m_problem.headDim, m_problem.width, m_factor);
            }
        }
        std::swap(m_tiles[0], m_tiles[1]);
        m_multiplier.now(addShareOf(seen.last(), seen));
    }

    SmallProduct<T> scoresOf(std::int64_t firstKey) const
    {
        const std::int64_t headDim = m_problem.headDim;
        return {kTileKeys, m_problem.width, headDim,          false, m_keys + firstKey * headDim,
                headDim,   m_queriesT,      m_tiles[0].scores};
    }

    SmallProduct<T> addShareOf(std::int64_t firstKey, const SeenTiles& seen) const
    {
        return {
            m_problem.headDim,    m_problem.width,        kTileKeys,        firstKey != seen.begin,
            m_valuesT + firstKey, m_problem.paddedKeys(), m_tiles[0].share, m_outT};
    }

    bool softmax(const Tile& of)
    {
        kernels::SoftmaxTile<T> tile;
        tile.scores = of.scores;
        tile.keys = kTileKeys;
        tile.queries = m_problem.width;
        tile.scale = m_problem.scale;
        tile.maximum = m_maximum;
        tile.sum = m_sum;
        tile.shrink = m_factor;
        tile.tileMaximum = m_tileMaximum;
        tile.share = of.share;
        tile.meanwhile = m_multiplier.queue();
        return kernels::softmaxTile(tile);
    }

    void finish(const Head& head, std::int64_t firstQuery, std::int64_t count)
    {
        float* logSumExp = head.data<float>(m_args.logSumExp) + firstQuery;
        for (std::int64_t c = 0; c < count; ++c) {
            m_factor[c] = m_sum[c] > 0.0F ? 1.0F / m_sum[c] : 0.0F;
            logSumExp[c] = m_problem.scale * m_maximum[c] + std::log(m_sum[c]);
        }
        kernels::UntransposedRows<T> rows;
        rows.x = m_outT;
        rows.width = m_problem.width;
        rows.rows = count;
        rows.columns = m_problem.headDim;
        rows.factor = m_factor;
        rows.outStride = m_args.out.stride(2);
        rows.out = head.data<T>(m_args.out) + firstQuery * rows.outStride;
        kernels::untransposeRows(rows);
    }

    const CpuFlashForward& m_args;
    const Problem& m_problem;
    T* m_keys;     // [K, D]
    T* m_valuesT;  // [D, K]
    T* m_queriesT; // paired [D, M]
    std::array<Tile, 2> m_tiles;
    float* m_outT; // [D, M]
    float *m_maximum, *m_sum, *m_factor, *m_tileMaximum;
    Multiplier<T> m_multiplier;
};

/// A head is a task.
template <typename T>
class Backward {
    static constexpr bool kPairs = !std::is_same_v<T, float>;

    struct Tile {
        Tile(const Problem& problem, Scratch& scratch)
            : scores(scratch.take<float>(problem.tileNumbers()))
            , dShare(scratch.take<float>(problem.tileNumbers()))
            , share(scratch.take<T>(problem.tileNumbers()))
            , dScores(scratch.take<T>(problem.tileNumbers()))
            , dScoresPaired(kPairs ? scratch.take<T>(problem.tileNumbers()) : nullptr)
        {}
        float *scores, *dShare;
        T *share, *dScores, *dScoresPaired;
    };

public:
    Backward(const CpuFlashBackward& args, const Problem& problem, Scratch& scratch)
        : m_args(args)
        , m_problem(problem)
        , m_keys(scratch.take<T>(problem.keyNumbers()))
        , m_values(scratch.take<T>(problem.keyNumbers()))
        , m_keysT(scratch.take<T>(problem.keyNumbers()))
        , m_dKeys(scratch.take<float>(problem.keyNumbers()))
        , m_dValues(scratch.take<float>(problem.keyNumbers()))
        , m_queries(scratch.take<T>(problem.queryNumbers()))
        , m_queriesT(scratch.take<T>(problem.queryNumbers()))
        , m_gradOut(scratch.take<T>(problem.queryNumbers()))
        , m_gradOutT(scratch.take<T>(problem.queryNumbers()))
        , m_tiles{Tile(problem, scratch), Tile(problem, scratch)}
        , m_dQueriesT(scratch.take<float>(problem.queryNumbers()))
        , m_logSumExp(scratch.take<float>(problem.width))
        , m_delta(scratch.take<float>(problem.width))
        , m_multiplier(problem.headDim)
    {}

    void run(std::int64_t task)
    {
        const Head head = m_problem.head(task);
        const std::int64_t headDim = m_problem.headDim;
        packRows(head.rows<T>(m_args.k), m_problem, m_keys);
        packRows(head.rows<T>(m_args.v), m_problem, m_values);
        kernels::transposeRows(head.rows<T>(m_args.k), headDim, m_problem.paddedKeys(), m_keysT);
        std::fill_n(m_dKeys, m_problem.keyNumbers(), 0.0F);
        std::fill_n(m_dValues, m_problem.keyNumbers(), 0.0F);
        for (std::int64_t b = 0; b < m_problem.blocks(); ++b) {
            block(head, b * m_problem.width);
        }
        kernels::addRows(m_dKeys, m_problem.keys, headDim, head.data<T>(m_args.dK),
                         m_args.dK.stride(2));
        kernels::addRows(m_dValues, m_problem.keys, headDim, head.data<T>(m_args.dV),
                         m_args.dV.stride(2));
    }

private:
    void block(const Head& head, std::int64_t firstQuery)
    {
        const std::int64_t width = m_problem.width, headDim = m_problem.headDim;
        const auto rowsOf = [&](const at::Tensor& x) {
            return slice(head.rows<T>(x), firstQuery, width);
        };
        const Rows<T> queries = rowsOf(m_args.q), gradOut = rowsOf(m_args.gradOut);
        kernels::pairTransposed(queries, headDim, width, m_queriesT);
        kernels::pairRows(queries, headDim, width, m_queries);
        kernels::pairTransposed(gradOut, headDim, width, m_gradOutT);
        kernels::pairRows(gradOut, headDim, width, m_gradOut);
        kernels::rowDots(gradOut, rowsOf(m_args.out), headDim, m_delta);
        std::copy_n(head.data<float>(m_args.logSumExp) + firstQuery, queries.count, m_logSumExp);
        // Queries that are not there have no share in any key.
        std::fill(m_logSumExp + queries.count, m_logSumExp + width,
                  std::numeric_limits<float>::infinity());
        std::fill(m_delta + queries.count, m_delta + width, 0.0F);
        addTiles(firstQuery, m_problem.tilesOf(firstQuery));
        kernels::UntransposedRows<T> rows;
        rows.x = m_dQueriesT;
        rows.width = width;
        rows.rows = queries.count;
        rows.columns = headDim;
        rows.outStride = m_args.dQ.stride(2);
        rows.out = head.data<T>(m_args.dQ) + firstQuery * rows.outStride;
        kernels::untransposeRows(rows);
    }

    // As in the forward pass: the products of the tiles before and behind go along with a tile's
    // gradient.
    void addTiles(std::int64_t firstQuery, const SeenTiles& seen)
    {
        startTile(seen.begin);
        m_multiplier.finish();
        for (std::int64_t key = seen.begin; key < seen.end; key += kTileKeys) {
            std::swap(m_tiles[0], m_tiles[1]); // [1] is this tile, [0] the one before and behind
            if (key > seen.begin) {
                addGradientsOf(key - kTileKeys, seen);
            }
            if (key + kTileKeys < seen.end) {
                startTile(key + kTileKeys);
            }
            m_problem.hide(m_tiles[1].scores, firstQuery, key);
            softmaxBackward(m_tiles[1]);
            m_multiplier.finish();
        }
        std::swap(m_tiles[0], m_tiles[1]);
        addGradientsOf(seen.last(), seen);
        m_multiplier.finish();
    }

    void startTile(std::int64_t firstKey)
    {
        const std::int64_t width = m_problem.width, headDim = m_problem.headDim;
        const std::int64_t firstRow = firstKey * headDim;
        const Tile& tile = m_tiles[0];
        m_multiplier.meanwhile({kTileKeys, width, headDim, false, m_keys + firstRow, headDim,
                                m_queriesT, tile.scores});
        m_multiplier.meanwhile({kTileKeys, width, headDim, false, m_values + firstRow, headDim,
                                m_gradOutT, tile.dShare});
    }

    void addGradientsOf(std::int64_t firstKey, const SeenTiles& seen)
    {
        const std::int64_t width = m_problem.width, headDim = m_problem.headDim;
        const std::int64_t firstRow = firstKey * headDim;
        const Tile& tile = m_tiles[0];
        m_multiplier.meanwhile(
            {kTileKeys, headDim, width, true, tile.share, width, m_gradOut, m_dValues + firstRow});
        m_multiplier.meanwhile(
            {kTileKeys, headDim, width, true, tile.dScores, width, m_queries, m_dKeys + firstRow});
        m_multiplier.meanwhile({headDim, width, kTileKeys, firstKey != seen.begin,
                                m_keysT + firstKey, m_problem.paddedKeys(),
                                kPairs ? tile.dScoresPaired : tile.dScores, m_dQueriesT});
    }

    void softmaxBackward(const Tile& of)
    {
        kernels::SoftmaxTileGradient<T> tile;
        tile.scores = of.scores;
        tile.dShare = of.dShare;
        tile.keys = kTileKeys;
        tile.queries = m_problem.width;
        tile.scale = m_problem.scale;
        tile.logSumExp = m_logSumExp;
        tile.delta = m_delta;
        tile.share = of.share;
        tile.dScores = of.dScores;
        tile.dScoresPaired = of.dScoresPaired;
        tile.meanwhile = m_multiplier.queue();
        kernels::softmaxTileBackward(tile);
    }

    const CpuFlashBackward& m_args;
    const Problem& m_problem;
    T *m_keys, *m_values;       // [K, D]
    T* m_keysT;                 // [D, K]
    float *m_dKeys, *m_dValues; // [K, D]
    T *m_queries, *m_queriesT, *m_gradOut, *m_gradOutT;
    std::array<Tile, 2> m_tiles;
    float* m_dQueriesT; // [D, M]
    float *m_logSumExp, *m_delta;
    Multiplier<T> m_multiplier;
};

template <typename T>
void forwardAs(const CpuFlashForward& args)
{
    const Problem problem(args.q, args.k, args.visible);
    shareOut<Forward<T>>(problem.heads * problem.parts, args, problem);
}

template <typename T>
void backwardAs(const CpuFlashBackward& args)
{
    const Problem problem(args.q, args.k, args.visible);
    shareOut<Backward<T>>(problem.heads, args, problem);
}

} // namespace

bool cpuFlashTakes(const at::Tensor& q)
{
    if (!q.is_cpu() || q.size(3) % 2 != 0) {
        return false;
    }
    return q.scalar_type() == at::kFloat
               ? hasTileProducts<float>()
               : q.scalar_type() == at::kBFloat16 && hasTileProducts<BFloat16>();
}

void cpuFlashForward(const CpuFlashForward& args)
{
    if (args.q.scalar_type() == at::kFloat) {
        forwardAs<float>(args);
    } else {
        forwardAs<BFloat16>(args);
    }
}

void cpuFlashBackward(const CpuFlashBackward& args)
{
    if (args.q.scalar_type() == at::kFloat) {
        backwardAs<float>(args);
    } else {
        backwardAs<BFloat16>(args);
    }
}

} // namespace longlora
