// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/model/quantized_linears.h"

#include "core/engine/tensor/nf4_matrix.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <array>

namespace longlora {

namespace {

constexpr std::array kLinears = {&DecoderLayer::q,   &DecoderLayer::k,   &DecoderLayer::v,
                                 &DecoderLayer::qkv, &DecoderLayer::o,   &DecoderLayer::gate,
                                 &DecoderLayer::up,  &DecoderLayer::down};

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

void unpackLinears(const DecoderLayer& layer, at::ScalarType dtype, DecoderLayer& dense)
{
    std::array<at::Tensor, kLinears.size()> rooms;
    for (std::size_t i = 0; i < kLinears.size(); ++i) {
        rooms[i] = (dense.*kLinears[i]).weight;
    }
    dense = layer;
    for (std::size_t i = 0; i < kLinears.size(); ++i) {
        LoraLinear& linear = dense.*kLinears[i];
        if (!linear.nf4) {
            continue;
        }
        at::Tensor& room = rooms[i];
        if (!room.defined()) {
            room = at::empty(linear.nf4->sizes(),
                             at::TensorOptions(linear.nf4->device()).dtype(dtype));
        }
        linear.nf4->unpack(room);
        linear.weight = room;
    }
}

} // namespace longlora
