// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/quantized_linears.h"

#include "core/engine/tensor/nf4_matrix.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <array>
#include <utility>

namespace longlora {

namespace {

constexpr std::array kLinears = {&DecoderLayer::q,   &DecoderLayer::k,   &DecoderLayer::v,
                                 &DecoderLayer::qkv, &DecoderLayer::o,   &DecoderLayer::gate,
                                 &DecoderLayer::up,  &DecoderLayer::down};

/// What all layers are unpacked into, one after another.
DecoderLayer roomFor(const DecoderLayer& layer, const ModelConfig& config, at::ScalarType dtype)
{
    DecoderLayer room = layer;
    for (const auto member : kLinears) {
        LoraLinear& linear = room.*member;
        if (linear.nf4) {
            linear.weight = at::empty(linear.nf4->sizes(),
                                      at::TensorOptions(linear.nf4->device()).dtype(dtype));
        }
    }
    stackLora(room, config);
    return room;
}

/// `dense` is `linear` in the memory of `room`.
void fill(const LoraLinear& linear, const LoraLinear& room, LoraLinear& dense)
{
    dense.weight = room.weight;
    dense.extended = room.extended;
    linear.nf4->unpack(dense.weight);
    if (linear.lora && room.extended.defined()) {
        room.lora->a.copy_(linear.lora->a);
        room.lora->b.copy_(linear.lora->b);
        dense.lora = room.lora;
    }
}

} // namespace

void quantize(LoraLinear& linear)
{
    linear.nf4 = std::make_shared<const Nf4Matrix>(linear.weight, linear.weight.device());
    linear.weight.reset();
}

void quantizeLinears(DecoderModel& model)
{
    forEachLinear(model, [](const WeightShape&, LoraLinear& linear) { quantize(linear); });
}

void unpackLinears(const DecoderLayer& layer, const ModelConfig& config, at::ScalarType dtype,
                   DecoderLayer& dense)
{
    const DecoderLayer room =
        dense.o.weight.defined() ? std::move(dense) : roomFor(layer, config, dtype);
    dense = layer;
    dense.attentionLora = room.attentionLora;
    dense.mlpLora = room.mlpLora;
    for (const auto member : kLinears) {
        if ((layer.*member).nf4) {
            fill(layer.*member, room.*member, dense.*member);
        }
    }
}

} // namespace longlora
