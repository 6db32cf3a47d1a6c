// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/self_check.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/random_model.h"
#include "core/engine/train/layer_driver.h"
#include "core/spec/data/dataset.h"
#include "kernels/shifted_sparse_attention.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace longlora {

namespace {

/// One shape to be compared with the oracle.
struct Shape {
    std::int64_t batch, length, heads, kvHeads, headDim;
    AttentionSpec attention;
    DocumentStarts documents;
};

kernels::TensorView oracleView(const at::Tensor& x)
{
    kernels::TensorView view{
        x.data_ptr(), kernels::DType::Float64, static_cast<int>(x.dim()), {}, {}};
    std::copy(x.sizes().begin(), x.sizes().end(), view.sizes.begin());
    std::copy(x.strides().begin(), x.strides().end(), view.strides.begin());
    return view;
}

kernels::AttentionVisibility visibilityOf(const Shape& shape)
{
    return {shape.length, shape.attention.group,
            shape.attention.edge == GroupEdge::Clipped ? kernels::GroupEdge::Clipped
                                                       : kernels::GroupEdge::Circular,
            shape.attention.kind == AttentionKind::Full, shape.documents};
}

double relativeDifference(const at::Tensor& actual, const at::Tensor& expected)
{
    if (expected.numel() == 0) {
        return 0.0;
    }
    const at::Tensor difference = (actual.to(at::kCPU, at::kDouble) - expected).abs().max();
    return (difference / expected.abs().max().clamp_min(1.0)).item<double>();
}

/// Largest relative difference of result and gradients from the dense oracle.
double compareWithOracle(const Shape& s, const ComputePlace& place, at::Generator& generator)
{
    const auto random = [&](std::int64_t heads) {
        return at::randn({s.batch, s.length, heads, s.headDim}, generator, at::kDouble)
            .to(place.dtype)
            .to(at::kDouble);
    };
    const at::Tensor q = random(s.heads), k = random(s.kvHeads), v = random(s.kvHeads);
    const at::Tensor dOut = random(s.heads);
    const at::Tensor out = at::empty_like(q), dq = at::empty_like(q), dk = at::empty_like(k),
                     dv = at::empty_like(v);
    const auto visibility = visibilityOf(s);
    kernels::shiftedSparseAttentionForward(
        {oracleView(q), oracleView(k), oracleView(v), oracleView(out), visibility, {}});
    kernels::shiftedSparseAttentionBackward({oracleView(q),
                                             oracleView(k),
                                             oracleView(v),
                                             oracleView(dOut),
                                             oracleView(dq),
                                             oracleView(dk),
                                             oracleView(dv),
                                             visibility,
                                             {}});

    const at::AutoGradMode recording(true);
    const auto leaf = [&](const at::Tensor& x) {
        return x.to(place.device, place.dtype, false, true).requires_grad_();
    };
    const at::Tensor ql = leaf(q), kl = leaf(k), vl = leaf(v);
    const auto layout = attentionLayout(s.attention, s.heads, s.batch, s.length, s.documents);
    const at::Tensor ours = segmentedAttention(ql, kl, vl, layout);
    const auto gradients =
        torch::autograd::grad({ours}, {ql, kl, vl}, {dOut.to(place.device, place.dtype)});
    return std::max({relativeDifference(ours.detach(), out), relativeDifference(gradients[0], dq),
                     relativeDifference(gradients[1], dk), relativeDifference(gradients[2], dv)});
}

using Group = std::pair<std::string, std::vector<Shape>>;

std::vector<Group> oracleShapes()
{
    std::vector<Group> groups;
    for (const GroupEdge edge : {GroupEdge::Clipped, GroupEdge::Circular}) {
        const std::string name = edge == GroupEdge::Clipped ? "S2 clipped" : "S2 circular";
        Group lengths{name + ", lengths 1 to 97, odd groups", {}};
        for (const std::int64_t length : {1, 2, 3, 7, 16, 31, 64, 97}) {
            for (const std::int64_t group : {2, 5, 16, 24}) {
                lengths.second.push_back(
                    {1, length, 4, 4, 16, {AttentionKind::S2, group, edge}, {}});
            }
        }
        groups.push_back(lengths);
        const AttentionSpec spec{AttentionKind::S2, 16, edge};
        groups.push_back({name + ", batch of 3, tail",
                          {{3, 61, 4, 4, 16, spec, {}}, {3, 64, 2, 2, 8, spec, {}}}});
        groups.push_back({name + ", grouped queries",
                          {{2, 50, 8, 2, 16, spec, {}},
                           {2, 50, 9, 3, 8, spec, {}},
                           {1, 50, 6, 1, 8, spec, {}}}});
    }
    const AttentionSpec s2{AttentionKind::S2, 16, GroupEdge::Clipped};
    const DocumentStarts documents{{0, 5, 6, 30}, {0, 47}};
    groups.push_back({"S2 clipped, packed documents", {{2, 60, 4, 2, 16, s2, documents}}});
    groups.push_back({"full, packed documents", {{2, 60, 4, 2, 16, {}, documents}}});
    groups.push_back({"full", {{2, 61, 8, 2, 16, {}, {}}, {1, 1, 4, 4, 16, {}, {}}}});
    return groups;
}

/// Largest change before `token` when `token` changes.
double leakBefore(std::int64_t token, GroupEdge edge, const ComputePlace& place,
                  at::Generator& generator)
{
    constexpr std::int64_t length = 40;
    const auto layout = attentionLayout({AttentionKind::S2, 10, edge}, 4, 1, length);
    const auto random = [&] {
        return at::randn({1, length, 4, 16}, generator, at::kDouble).to(place.device, place.dtype);
    };
    const at::Tensor q = random(), k = random(), v = random();
    const at::Tensor before = segmentedAttention(q, k, v, layout);
    k.select(1, token).add_(1.0);
    v.select(1, token).add_(1.0);
    const at::Tensor after = segmentedAttention(q, k, v, layout);
    return (before - after).narrow(1, 0, token).abs().max().to(at::kDouble).item<double>();
}

ModelConfig tinyConfig()
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = 50;
    config.hiddenSize = 32;
    config.intermediateSize = 48;
    config.layerCount = 2;
    config.headCount = 4;
    config.kvHeadCount = 2;
    config.headDim = 8;
    config.maxPositionEmbeddings = 64;
    return config;
}

/// Largest difference of the layer driver's gradients from one graph over the whole model.
double compareDriver(const ComputePlace& place)
{
    DecoderModel model = randomModel(tinyConfig(), 1, place);
    RunConfig config;
    config.method = TrainingMethod::Full;
    TrainableSet trainables(model, config);
    const at::Tensor ids = (at::arange(33) * 7).remainder(50).unsqueeze(0).to(place.device);
    at::Tensor targets = at::full_like(ids, kIgnoredLabel);
    targets.narrow(1, 0, 32).copy_(ids.narrow(1, 1, 32));
    const AttentionSpec s2{AttentionKind::S2, 8, GroupEdge::Clipped};
    const TrainingBatch batch{ids, targets, attentionLayout(s2, 4, 1, 33)};
    LayerDriver(model, trainables, {}).forwardBackward(batch, 1.0);

    const at::AutoGradMode recording(true);
    torch::autograd::variable_list leaves;
    for (Trainable& item : trainables.items()) {
        leaves.push_back(item.weight.requires_grad_());
    }
    const auto rotary = rotaryTable(model.config.rope, 8, 0, 33, 33, place.device, place.dtype);
    at::Tensor hidden = embed(model, ids);
    for (const DecoderLayer& layer : model.layers) {
        hidden = layerForward(layer, model.config, hidden, rotary,
                              [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
                                  return segmentedAttention(q, k, v, batch.layout);
                              });
    }
    const at::Tensor loss = at::cross_entropy_loss(headForward(model, hidden).flatten(0, 1),
                                                   targets.flatten(), {}, at::Reduction::Sum);
    const auto expected = torch::autograd::grad({loss}, leaves);
    double error = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        error = std::max(error, relativeDifference(trainables.items()[i].gradient,
                                                   expected[i].detach().to(at::kCPU, at::kDouble)));
    }
    return error;
}

} // namespace

std::vector<SelfCheckCase> runSelfCheck(DeviceKind device)
{
    ComputePlace place = computePlace(device, ComputePrecision::Fp32);
    // fp64 separates a wrong formula from rounding; GPUs have no fp64 attention.
    place.dtype = place.device.is_cpu() ? at::kDouble : at::kFloat;
    const double tolerance = place.dtype == at::kDouble ? 1e-12 : 1e-4;
    auto generator = at::detail::createCPUGenerator(1);

    std::vector<SelfCheckCase> cases;
    const auto add = [&](std::string name, double error, double limit) {
        cases.push_back({std::move(name), error, limit, error <= limit});
    };
    for (const auto& [name, shapes] : oracleShapes()) {
        double error = 0.0;
        for (const Shape& shape : shapes) {
            error = std::max(error, compareWithOracle(shape, place, generator));
        }
        add(name + ": result and gradients against the dense oracle", error, tolerance);
    }
    add("S2 clipped: no token sees a later one",
        leakBefore(37, GroupEdge::Clipped, place, generator), 0.0);
    // The circular edge leaks by design; a check that could not see it would prove nothing.
    const double leak = leakBefore(37, GroupEdge::Circular, place, generator);
    add("S2 circular: the first half group sees the last, and this check notices",
        leak > 1e-3 ? 0.0 : 1.0, 0.0);
    add("layer driver: gradients against end-to-end autograd", compareDriver(place), tolerance);
    return cases;
}

} // namespace longlora
