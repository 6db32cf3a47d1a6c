// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, S seq, H heads, K kv heads, D head_dim; a segment view is [segments, heads, L,
// D].
//
// Equation: out_i = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j over j <= i in i's segment.
// Proven against kernels/shifted_sparse_attention (dense, fp64) in tests/engine.
#include "core/engine/attention/segmented_attention.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace longlora {

namespace {

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

/// Where results of both kinds of half are gathered: a tensor that starts at zero, and one in
/// rolled order that rollBack() adds to it.
class RolledSums {
public:
    RolledSums(const at::Tensor& into, const AttentionLayout& layout)
        : m_plain(into.zero_())
    {
        for (const HeadLayout& half : layout.halves) {
            if (half.roll != 0) {
                m_roll = half.roll;
                m_rolled = at::zeros(into.sizes(), into.options());
            }
        }
    }
    const at::Tensor& in(const HeadLayout& half) const
    {
        return half.roll != 0 ? m_rolled : m_plain;
    }
    void rollBack() const
    {
        if (m_roll != 0) {
            m_plain.add_(at::roll(m_rolled, {m_roll}, {1}));
        }
    }

private:
    at::Tensor m_plain;
    at::Tensor m_rolled;
    std::int64_t m_roll = 0;
};

/// What one dense call works on: segments of one half, some of its heads.
struct Call {
    std::int64_t window; ///< inside its segments; 0: none
    const HeadLayout& half;
    const SegmentView& view;
    const HeadBlock& block;

    template <class Tensors>
    at::Tensor queries(const Tensors& x) const
    {
        return view.of(x.in(half), block.first, block.step, block.count);
    }
    template <class Tensors>
    at::Tensor keys(const Tensors& x) const
    {
        return view.of(x.in(half), block.kvFirst, 1, block.count);
    }
    template <class Outs>
    DenseAttention tensors(const RolledTensors& q, const RolledTensors& k, const RolledTensors& v,
                           const Outs& out) const
    {
        return {queries(q), keys(k), keys(v), queries(out), {0, window}};
    }
};

/// Calls visit(call) for each dense call that the layout needs, always in the same order.
template <class Visit>
void forEachCall(const AttentionLayout& layout, std::int64_t queriesPerKvHead, const Visit& visit)
{
    for (const HeadLayout& half : layout.halves) {
        const auto blocks = headBlocks(half.firstHead, half.endHead, queriesPerKvHead);
        for (const SegmentView& view : segmentViews(half.runs, layout.batch, layout.length)) {
            for (const HeadBlock& block : blocks) {
                visit(Call{layout.windowIn(view.length), half, view, block});
            }
        }
    }
}

struct ResultHolder : torch::CustomClassHolder {
    explicit ResultHolder(const AttentionLayout& l)
        : layout(l)
    {}
    AttentionLayout layout;
    SegmentedAttention result;
};

class DifferentiableAttention : public torch::autograd::Function<DifferentiableAttention> {
public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q,
                              const at::Tensor& k, const at::Tensor& v,
                              const c10::intrusive_ptr<ResultHolder>& holder)
    {
        holder->result = segmentedAttentionForward(q, k, v, holder->layout);
        at::Tensor out = holder->result.out;
        holder->result.out = out.detach(); // without the graph that will own the holder
        context->save_for_backward({q, k, v});
        context->saved_data["result"] = c10::IValue::make_capsule(holder);
        return out;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients)
    {
        const auto holder = c10::static_intrusive_pointer_cast<ResultHolder>(
            context->saved_data["result"].toCapsule());
        const auto saved = context->get_saved_variables();
        const DenseAttentionGradients d{at::empty_like(saved[0]), at::empty_like(saved[1]),
                                        at::empty_like(saved[2])};
        segmentedAttentionBackward({saved[0], saved[1], saved[2], gradients[0].contiguous()},
                                   holder->result, holder->layout, d);
        return {d.q, d.k, d.v, at::Tensor()};
    }
};

} // namespace

SegmentedAttention segmentedAttentionForward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const AttentionLayout& layout)
{
    SegmentedAttention result{at::empty(q.sizes(), q.options()), {}};
    const RolledTensors qs(q, layout), ks(k, layout), vs(v, layout);
    const RolledSums outs(result.out, layout);
    forEachCall(layout, q.size(2) / k.size(2), [&](const Call& call) {
        result.calls.push_back(denseAttention(call.tensors(qs, ks, vs, outs)));
    });
    outs.rollBack();
    return result;
}

void segmentedAttentionBackward(const SegmentedAttentionInputs& inputs,
                                const SegmentedAttention& forward, const AttentionLayout& layout,
                                const DenseAttentionGradients& into)
{
    const RolledTensors qs(inputs.q, layout), ks(inputs.k, layout), vs(inputs.v, layout),
        outs(forward.out, layout), gradOuts(inputs.gradOut, layout);
    const RolledSums dq(into.q, layout), dk(into.k, layout), dv(into.v, layout);
    auto kept = forward.calls.begin();
    forEachCall(layout, inputs.q.size(2) / inputs.k.size(2), [&](const Call& call) {
        denseAttentionBackward(call.tensors(qs, ks, vs, outs), *kept++, call.queries(gradOuts),
                               {call.queries(dq), call.keys(dk), call.keys(dv)});
    });
    for (const RolledSums* sums : {&dq, &dk, &dv}) {
        sums->rollBack();
    }
}

at::Tensor segmentedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const AttentionLayout& layout)
{
    return DifferentiableAttention::apply(q, k, v, c10::make_intrusive<ResultHolder>(layout));
}

AttentionPart attendDense(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const KeyVisibility& visible)
{
    AttentionPart part{
        at::empty(q.sizes(), q.options()),
        at::empty({q.size(0), q.size(2), q.size(1)},
                  q.options().dtype(q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat))};
    const at::Tensor qT = q.transpose(1, 2), kT = k.transpose(1, 2), vT = v.transpose(1, 2);
    const at::Tensor outT = part.out.transpose(1, 2);
    for (const HeadBlock& block : headBlocks(0, q.size(2), q.size(2) / k.size(2))) {
        const auto queries = [&](const at::Tensor& x) {
            return x.slice(1, block.first, x.size(1), block.step);
        };
        const DenseAttentionKept kept =
            denseAttention({queries(qT), kT.narrow(1, block.kvFirst, block.count),
                            vT.narrow(1, block.kvFirst, block.count), queries(outT), visible});
        queries(part.logSumExp).copy_(kept.logSumExp);
    }
    return part;
}

} // namespace longlora
