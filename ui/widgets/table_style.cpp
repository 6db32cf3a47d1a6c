// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/table_style.h"

#include <QHeaderView>
#include <QTableView>

#include <algorithm>

namespace longlora::ui {

void styleTable(QTableView& table)
{
    table.setSelectionBehavior(QAbstractItemView::SelectRows);
    table.setSelectionMode(QAbstractItemView::SingleSelection);
    table.setEditTriggers(QAbstractItemView::NoEditTriggers);
    table.setShowGrid(false);
    table.setAlternatingRowColors(true);
    table.setTabKeyNavigation(false);
    table.setWordWrap(false);
    table.setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    table.verticalHeader()->hide();
    table.verticalHeader()->setDefaultSectionSize(table.fontMetrics().height() + 8);
    table.horizontalHeader()->setHighlightSections(false);
    table.horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
}

void fitColumns(QTableView& table)
{
    table.resizeColumnsToContents();
    const int letter = table.fontMetrics().averageCharWidth();
    const int widest = letter * 44;
    const int padding = letter * 2;
    for (int column = 0; column < table.model()->columnCount(); ++column) {
        if (!table.isColumnHidden(column)) {
            table.setColumnWidth(column, std::min(widest, table.columnWidth(column) + padding));
        }
    }
}

} // namespace longlora::ui
