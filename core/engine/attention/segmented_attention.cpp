// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, H heads, K kv heads, D head_dim; a segment view is [segments, heads, L,
// D].
//
// Equation: out_i = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j over j <= i in i's segment.
// Proven against kernels/shifted_sparse_attention (dense, fp64) in tests/engine.
#include "core/engine/attention/segmented_attention.h"

#include "core/engine/attention/dense_attention.h"
#include "core/engine/attention/windowed_attention.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace longlora {

namespace {

DenseAttentionResult attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               bool causal, std::int64_t window)
{
    return window > 0 ? windowedAttention(q, k, v, window) : denseAttention(q, k, v, causal);
}

DenseAttentionGradients attentionBackward(const at::Tensor& gradOut, const at::Tensor& q,
                                          const at::Tensor& k, const at::Tensor& v,
                                          const DenseAttentionResult& forward, std::int64_t window)
{
    return window > 0 ? windowedAttentionBackward(gradOut, q, k, v, forward, window)
                      : denseAttentionBackward(gradOut, q, k, v, forward);
}

/// Query heads first, first + step, ... that use the kv heads kvFirst, kvFirst + 1, ...: one head
/// of each group of queries that shares a kv head, so that K and V need no repeating.
struct HeadBlock {
    std::int64_t first;
    std::int64_t step;
    std::int64_t kvFirst;
    std::int64_t count;
};

std::vector<HeadBlock> headBlocks(std::int64_t firstHead, std::int64_t endHead,
                                  std::int64_t queriesPerKvHead)
{
    std::vector<HeadBlock> blocks;
    for (std::int64_t residue = 0; residue < queriesPerKvHead; ++residue) {
        const std::int64_t ahead = (residue - firstHead) % queriesPerKvHead;
        const std::int64_t first = firstHead + (ahead < 0 ? ahead + queriesPerKvHead : ahead);
        if (first < endHead) {
            const std::int64_t count = (endHead - first + queriesPerKvHead - 1) / queriesPerKvHead;
            blocks.push_back({first, queriesPerKvHead, first / queriesPerKvHead, count});
        }
    }
    return blocks;
}

/// Some heads of some equal segments as a dense batch, without a copy.
struct SegmentView {
    std::int64_t row;
    std::int64_t begin;
    std::int64_t length;
    std::int64_t count; ///< segments, over all rows they run through

    at::Tensor of(const at::Tensor& x_BSHD, std::int64_t head, std::int64_t headStep,
                  std::int64_t heads) const
    {
        const std::int64_t token = x_BSHD.stride(1);
        return x_BSHD.as_strided({count, heads, length, x_BSHD.size(3)},
                                 {length * token, headStep * x_BSHD.stride(2), token, 1},
                                 x_BSHD.storage_offset() + row * x_BSHD.stride(0) + begin * token +
                                     head * x_BSHD.stride(2));
    }
};

/// Runs in every row become one view where segments fill the rows exactly, else one view a row.
std::vector<SegmentView> segmentViews(const std::vector<SegmentRun>& runs, std::int64_t batch,
                                      std::int64_t length)
{
    std::vector<SegmentView> views;
    for (const SegmentRun& run : runs) {
        if (run.row >= 0) {
            views.push_back({run.row, run.begin, run.length, run.count});
        } else if (run.begin == 0 && run.count * run.length == length) {
            views.push_back({0, 0, run.length, run.count * batch});
        } else {
            for (std::int64_t row = 0; row < batch; ++row) {
                views.push_back({row, run.begin, run.length, run.count});
            }
        }
    }
    return views;
}

/// Calls visit(views of one dense call) for each call that the layout needs.
template <class Visit>
void forEachCall(const AttentionLayout& layout, std::int64_t queriesPerKvHead, const Visit& visit)
{
    for (const HeadLayout& half : layout.halves) {
        const auto blocks = headBlocks(half.firstHead, half.endHead, queriesPerKvHead);
        for (const SegmentView& view : segmentViews(half.runs, layout.batch, layout.length)) {
            for (const HeadBlock& block : blocks) {
                visit(half, view, block);
            }
        }
    }
}

/// Tokens of the rolled half stand first; only Circular rolls, and only it pays for the copy.
class RolledTensors {
public:
    RolledTensors(const at::Tensor& x, const AttentionLayout& layout)
        : m_plain(x)
    {
        for (const HeadLayout& half : layout.halves) {
            if (half.roll != 0) {
                m_rolled = at::roll(x, {-half.roll}, {1}).contiguous();
            }
        }
    }
    const at::Tensor& in(const HeadLayout& half) const
    {
        return half.roll != 0 ? m_rolled : m_plain;
    }

private:
    at::Tensor m_plain;
    at::Tensor m_rolled;
};

/// Where results of both kinds of half are gathered, rolled back at the end.
class RolledSums {
public:
    RolledSums(const at::Tensor& like, const AttentionLayout& layout)
        : m_plain(at::zeros(like.sizes(), like.options()))
    {
        for (const HeadLayout& half : layout.halves) {
            if (half.roll != 0) {
                m_roll = half.roll;
                m_rolled = at::zeros_like(m_plain);
            }
        }
    }
    const at::Tensor& in(const HeadLayout& half) const
    {
        return half.roll != 0 ? m_rolled : m_plain;
    }
    at::Tensor total() const
    {
        return m_roll != 0 ? m_plain + at::roll(m_rolled, {m_roll}, {1}) : m_plain;
    }

private:
    at::Tensor m_plain;
    at::Tensor m_rolled;
    std::int64_t m_roll = 0;
};

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LayoutHolder : torch::CustomClassHolder {
    explicit LayoutHolder(const AttentionLayout& l)
        : layout(l)
    {}
    AttentionLayout layout;
};

class SegmentedAttention : public torch::autograd::Function<SegmentedAttention> {
public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, const c10::intrusive_ptr<LayoutHolder>& holder)
    {
        const AttentionLayout& layout = holder->layout;
        const RolledTensors qs(q, layout), ks(k, layout), vs(v, layout);
        const RolledSums outs(q, layout);
        variable_list saved{q, k, v};
        forEachCall(
            layout, q.size(2) / k.size(2),
            [&](const HeadLayout& half, const SegmentView& view, const HeadBlock& block) {
                const auto kv = [&](const RolledTensors& x) {
                    return view.of(x.in(half), block.kvFirst, 1, block.count);
                };
                const auto result =
                    attention(view.of(qs.in(half), block.first, block.step, block.count), kv(ks),
                              kv(vs), true, layout.windowIn(view.length));
                view.of(outs.in(half), block.first, block.step, block.count).copy_(result.out);
                saved.push_back(result.logSumExp);
                saved.insert(saved.end(), result.rest.begin(), result.rest.end());
            });
        at::Tensor out = outs.total();
        saved.push_back(out);
        context->save_for_backward(std::move(saved));
        context->saved_data["layout"] = c10::IValue::make_capsule(holder);
        return out;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const auto holder = c10::static_intrusive_pointer_cast<LayoutHolder>(
            context->saved_data["layout"].toCapsule());
        const AttentionLayout& layout = holder->layout;
        const variable_list saved = context->get_saved_variables();
        const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
        const RolledTensors qs(q, layout), ks(k, layout), vs(v, layout), outs(saved.back(), layout);
        const RolledTensors gradOuts(gradients[0].contiguous(), layout);
        const RolledSums dq(q, layout), dk(k, layout), dv(v, layout);
        std::size_t next = 3;
        const CallCount calls = countCalls(layout, q.size(2) / k.size(2));
        // Of dense calls the device's kernel keeps more than the log-sum-exp.
        const std::size_t perDenseCall =
            (saved.size() - 4 - calls.windowed) / std::max<std::size_t>(calls.dense, 1);
        forEachCall(layout, q.size(2) / k.size(2),
                    [&](const HeadLayout& half, const SegmentView& view, const HeadBlock& block) {
                        const auto query = [&](const auto& x) {
                            return view.of(x.in(half), block.first, block.step, block.count);
                        };
                        const auto kv = [&](const auto& x) {
                            return view.of(x.in(half), block.kvFirst, 1, block.count);
                        };
                        const std::int64_t window = layout.windowIn(view.length);
                        const std::size_t kept = window > 0 ? 1 : perDenseCall;
                        DenseAttentionResult forward{query(outs), saved[next], {}};
                        for (std::size_t i = 1; i < kept; ++i) {
                            forward.rest.push_back(saved[next + i]);
                        }
                        next += kept;
                        const auto d = attentionBackward(query(gradOuts), query(qs), kv(ks), kv(vs),
                                                         forward, window);
                        query(dq).copy_(d.q);
                        kv(dk).add_(d.k);
                        kv(dv).add_(d.v);
                    });
        return {dq.total(), dk.total(), dv.total(), at::Tensor()};
    }

private:
    struct CallCount {
        std::size_t dense = 0;
        std::size_t windowed = 0;
    };
    static CallCount countCalls(const AttentionLayout& layout, std::int64_t queriesPerKvHead)
    {
        CallCount count;
        forEachCall(layout, queriesPerKvHead,
                    [&](const auto&, const SegmentView& view, const auto&) {
                        ++(layout.windowIn(view.length) > 0 ? count.windowed : count.dense);
                    });
        return count;
    }
};

} // namespace

at::Tensor segmentedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const AttentionLayout& layout)
{
    return SegmentedAttention::apply(q, k, v, c10::make_intrusive<LayoutHolder>(layout));
}

AttentionPart attendDense(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          bool causal, std::int64_t window)
{
    AttentionPart part{
        at::empty(q.sizes(), q.options()),
        at::empty({q.size(0), q.size(2), q.size(1)},
                  q.options().dtype(q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat))};
    const at::Tensor qT = q.transpose(1, 2), kT = k.transpose(1, 2), vT = v.transpose(1, 2);
    at::Tensor outT = part.out.transpose(1, 2);
    for (const HeadBlock& block : headBlocks(0, q.size(2), q.size(2) / k.size(2))) {
        const auto queries = [&](const at::Tensor& x) {
            return x.slice(1, block.first, x.size(1), block.step);
        };
        const auto result = attention(queries(qT), kT.narrow(1, block.kvFirst, block.count),
                                      vT.narrow(1, block.kvFirst, block.count), causal, window);
        queries(outT).copy_(result.out);
        queries(part.logSumExp).copy_(result.logSumExp);
    }
    return part;
}

} // namespace longlora
