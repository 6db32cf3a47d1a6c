// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace longlora {

/// One decoding step as a CUDA graph: some hundred kernels of a few microseconds each, launched as
/// one. Captured at the first token, and valid as long as all memory that the step uses is where it
/// was.
class DecodeGraph {
public:
    /// A step of fixed shapes that asks the device nothing: id [1, 1] and its position [1], int64
    /// on the device -> logits.
    using Step = std::function<at::Tensor(const at::Tensor& id, const at::Tensor& position)>;

    /// Whether this build can capture on `device`.
    static bool isPossible(const at::Device& device);

    /// Only where isPossible(). `step` outlives this.
    DecodeGraph(const at::Device& device, Step step);
    ~DecodeGraph();
    DecodeGraph(const DecodeGraph&) = delete;
    DecodeGraph& operator=(const DecodeGraph&) = delete;

    /// The logits are overwritten by the next call. Where CUDA refuses to capture, the step is run
    /// as it is, then and from then on.
    at::Tensor run(TokenId id, std::int64_t position);
    bool isRefused() const noexcept { return m_isRefused; }

private:
    struct Captured;
    void capture();
    void record(Captured& captured);

    Step m_step;
    at::Device m_device;
    at::Tensor m_id, m_position, m_logits;
    std::unique_ptr<Captured> m_captured;
    bool m_isRefused = false;
};

} // namespace longlora
