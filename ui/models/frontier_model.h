// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/frontier.h"

#include <QAbstractTableModel>

namespace longlora::ui {

/// Contexts down, numbers of devices across; each cell says whether such a run fits and how long
/// 1,000 steps take, in words, figures and colour. The run's own cell is bold.
class FrontierModel : public QAbstractTableModel {
    Q_OBJECT

public:
    using QAbstractTableModel::QAbstractTableModel;

    /// `context` and `devices`: the run's own.
    void setFrontier(Frontier frontier, std::int64_t context, std::int64_t devices);
    const Frontier& frontier() const { return m_frontier; }
    /// Invalid if there is none.
    QModelIndex ownCell() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    QString explain(const QModelIndex& index) const;

    Frontier m_frontier;
    std::int64_t m_context = 0;
    std::int64_t m_devices = 0;
};

} // namespace longlora::ui
