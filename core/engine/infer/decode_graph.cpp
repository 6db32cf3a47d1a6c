// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/decode_graph.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#if defined(LONGLORA_WITH_TORCH_CUDA)
#    include <ATen/cuda/CUDAGraph.h>
#    include <c10/cuda/CUDAGuard.h>
#    include <c10/cuda/CUDAStream.h>
#endif

#include <stdexcept>
#include <utility>

namespace longlora {

#if defined(LONGLORA_WITH_TORCH_CUDA)

struct DecodeGraph::Captured {
    at::cuda::CUDAGraph graph;
};

bool DecodeGraph::isPossible(const at::Device& device)
{
    return device.is_cuda();
}

void DecodeGraph::capture()
{
    // The default stream cannot be captured. What was asked of it stands before, once.
    c10::cuda::getCurrentCUDAStream(m_device.index()).synchronize();
    const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool(false, m_device.index());
    const c10::cuda::CUDAStreamGuard guard(side);
    m_step(m_id, m_position); // makes the libraries' handles and workspaces
    side.synchronize();
    auto captured = std::make_unique<Captured>();
    try {
        record(*captured);
        m_captured = std::move(captured);
    } catch (const c10::Error&) {
        m_isRefused = true;
    }
    side.synchronize();
}

void DecodeGraph::record(Captured& captured)
{
    // Other threads of the program may ask CUDA for memory meanwhile.
    captured.graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
        m_logits = m_step(m_id, m_position);
    } catch (const c10::Error&) {
        // The stream records until it is told to stop, and then says once more what was wrong.
        try {
            captured.graph.capture_end();
        } catch (const c10::Error&) {
        }
        throw;
    }
    captured.graph.capture_end();
}

at::Tensor DecodeGraph::run(TokenId id, std::int64_t position)
{
    m_id.fill_(static_cast<std::int64_t>(id));
    m_position.fill_(position);
    if (!m_captured && !m_isRefused) {
        capture();
    }
    if (m_isRefused) {
        return m_step(m_id, m_position);
    }
    m_captured->graph.replay();
    return m_logits;
}

#else

struct DecodeGraph::Captured {};

bool DecodeGraph::isPossible(const at::Device&)
{
    return false;
}

void DecodeGraph::capture() {}

void DecodeGraph::record(Captured&) {}

at::Tensor DecodeGraph::run(TokenId, std::int64_t)
{
    throw std::logic_error("DecodeGraph: this build has no CUDA");
}

#endif

DecodeGraph::DecodeGraph(const at::Device& device, Step step)
    : m_step(std::move(step))
    , m_device(device)
    , m_id(at::zeros({1, 1}, at::TensorOptions().dtype(at::kLong).device(device)))
    , m_position(at::zeros({1}, m_id.options()))
{}

DecodeGraph::~DecodeGraph() = default;

} // namespace longlora
