// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

class QTableView;

namespace longlora::ui {

/// Tables look and behave alike: whole rows, no grid, no row numbers, Tab leaves them.
void styleTable(QTableView& table);

/// Columns as wide as what they show, none wider than a line of text.
void fitColumns(QTableView& table);

} // namespace longlora::ui
