// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <QAbstractTableModel>

#include <vector>

namespace longlora::ui {

/// The parts of a memory plan as a list, in PlanBar's colours; the formula is tool tip and column.
class PlanItemsModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Name, Bytes, Formula, kColumnCount };
    using QAbstractTableModel::QAbstractTableModel;

    void setItems(const std::vector<PlannedItem>& items);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<PlannedItem> m_items;
};

} // namespace longlora::ui
