// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

namespace longlora {

/// Tensors of one shape that wait in the host's memory until their device wants them back: hidden
/// states between a layer's forward and its backward. Copies run on a stream of their own beside
/// the computing; what is on its way out stays on the device until it is out, two tensors at most,
/// so that the memory taken there does not depend on how far the host runs ahead. (On a processor
/// the copies are plain ones.) Threading: one thread, the device's current stream.
class HostStash {
public:
    /// Takes page-locked memory for `count` tensors like `example`.
    HostStash(const at::Tensor& example, std::size_t count);
    ~HostStash();

    /// Whether it was made for `count` tensors like `example`.
    bool suits(const at::Tensor& example, std::size_t count) const;

    /// Begins to copy `x` to `slot`.
    void put(std::size_t slot, const at::Tensor& x);
    /// Begins to copy the tensor in `slot` back; the next take() is of this slot.
    void prefetch(std::size_t slot);
    /// The tensor in `slot`, on its device; what computes with it waits for its copy alone.
    at::Tensor take(std::size_t slot);

private:
    class Copies;
    std::unique_ptr<Copies> m_copies;
};

/// How many tensors of `bytes` share one block of page-locked memory, at most `count`: LibTorch
/// rounds such blocks up to a power of two, and this wastes least of it.
std::size_t tensorsPerBlock(std::size_t bytes, std::size_t count);

} // namespace longlora
