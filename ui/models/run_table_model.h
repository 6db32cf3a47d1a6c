// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/run_list.h"
#include "ui/background_job.h"

#include <QAbstractTableModel>

#include <filesystem>
#include <optional>
#include <vector>

namespace longlora::ui {

/// All runs under a folder, newest first, read in the background.
class RunTableModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        Name,
        State,
        Curve,
        Loss,
        Base,
        Context,
        Step,
        Rate,
        Duration,
        Peak,
        Started,
        kColumnCount
    };
    /// A value that sorts as the column should.
    static constexpr int kSortRole = Qt::UserRole + 1;

    explicit RunTableModel(std::filesystem::path folder, QObject* parent = nullptr);

    /// Reads the folder again; refreshed() follows.
    void refresh();
    const std::vector<RunSummary>& runs() const { return m_runs; }
    const RunSummary& run(int row) const { return m_runs[static_cast<std::size_t>(row)]; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

Q_SIGNALS:
    void refreshed();

private:
    QString cell(const RunSummary& run, int column) const;
    QVariant sortKey(const RunSummary& run, int column) const;

    std::filesystem::path m_folder;
    std::vector<RunSummary> m_runs;
    BackgroundJob m_job;
};

} // namespace longlora::ui
