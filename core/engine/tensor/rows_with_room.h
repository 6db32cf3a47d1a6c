// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

namespace longlora {

/// Rows with room behind each, for the columns by which a product is extended
/// (model/lora_stack.h).
struct RowsWithRoom {
    at::Tensor whole; ///< [count, width + room]
    at::Tensor rows;  ///< [count, width], the columns in front
    at::Tensor room;  ///< [count, room], those behind; undefined: none, and rows is whole

    /// Rows [first, first + count).
    RowsWithRoom narrow(std::int64_t first, std::int64_t count) const;
};

/// Not set. From row to row it is a multiple of kRowAlignment elements: products are slow on
/// others.
RowsWithRoom rowsWithRoom(std::int64_t count, std::int64_t width, std::int64_t room,
                          const at::TensorOptions& options);

inline constexpr std::int64_t kRowAlignment = 8;

} // namespace longlora
