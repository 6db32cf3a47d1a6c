// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/rows_with_room.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

namespace longlora {

RowsWithRoom RowsWithRoom::narrow(std::int64_t first, std::int64_t count) const
{
    return {whole.narrow(0, first, count), rows.narrow(0, first, count),
            room.defined() ? room.narrow(0, first, count) : at::Tensor()};
}

RowsWithRoom rowsWithRoom(std::int64_t count, std::int64_t width, std::int64_t room,
                          const at::TensorOptions& options)
{
    if (room == 0) {
        const at::Tensor rows = at::empty({count, width}, options);
        return {rows, rows, {}};
    }
    const std::int64_t stride = (width + room + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
    const at::Tensor whole = at::empty({count, stride}, options).narrow(1, 0, width + room);
    return {whole, whole.narrow(1, 0, width), whole.narrow(1, width, room)};
}

} // namespace longlora
