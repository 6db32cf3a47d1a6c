// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <filesystem>
#include <optional>

class QLabel;
class QLineEdit;
class QPushButton;
class QSortFilterProxyModel;
class QTableView;

namespace longlora::ui {

class RunTableModel;

/// All runs, to be found, opened and repeated.
class RunsPage : public QWidget {
    Q_OBJECT

public:
    /// `runs` outlives this.
    explicit RunsPage(RunTableModel& runs, QWidget* parent = nullptr);

Q_SIGNALS:
    void openRequested(const std::filesystem::path& folder);
    void cloneRequested(const std::filesystem::path& folder);

protected:
    void showEvent(QShowEvent* event) override;

private:
    std::optional<std::filesystem::path> selected() const;
    void updateButtons();

    RunTableModel& m_runs;
    QSortFilterProxyModel* m_proxy;
    QTableView* m_table;
    QLineEdit* m_filter;
    QPushButton* m_open;
    QPushButton* m_clone;
    QLabel* m_count;
    bool m_columnsFitted = false;
};

} // namespace longlora::ui
