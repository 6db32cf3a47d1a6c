// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

#include <QAbstractTableModel>

#include <vector>

namespace longlora::ui {

/// A MergeReport as a table: what was checked, what came out, what it means.
class MergeProofModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Check, Result, Meaning, kColumnCount };
    using QAbstractTableModel::QAbstractTableModel;

    void setReport(const MergeReport& report);
    void clear();

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Row {
        QString check;
        QString result;
        QString meaning;
    };
    std::vector<Row> m_rows;
};

/// Whether the proof holds: verified, re-read equal, and the top token agrees everywhere or the
/// error is small against the logits.
bool proofHolds(const MergeReport& report);

} // namespace longlora::ui
