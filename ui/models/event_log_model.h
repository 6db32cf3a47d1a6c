// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/run/run_record.h"

#include <QAbstractTableModel>

namespace longlora::ui {

/// Everything a run has said besides its steps, oldest first.
class EventLogModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Time, Kind, Text, kColumnCount };
    using QAbstractTableModel::QAbstractTableModel;

    /// Takes over what is new; all of it if it is another run.
    void show(const RunRecord& record);
    void clear();

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<Event> m_events;
    double m_firstTime = 0.0;
};

} // namespace longlora::ui
