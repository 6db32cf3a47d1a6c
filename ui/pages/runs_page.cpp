// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/runs_page.h"

#include "ui/models/run_table_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/sparkline.h"
#include "ui/widgets/table_style.h"

#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

RunsPage::RunsPage(RunTableModel& runs, QWidget* parent)
    : QWidget(parent)
    , m_runs(runs)
    , m_proxy(new QSortFilterProxyModel(this))
    , m_table(named(new QTableView(this), "runsTable", tr("All runs")))
    , m_filter(named(new QLineEdit(this), "runsFilter", tr("Filter runs")))
    , m_open(
          named(new QPushButton(tr("&Open in Monitor"), this), "runsOpen", tr("Open in Monitor")))
    , m_clone(named(new QPushButton(tr("&Clone to new run"), this), "runsClone",
                    tr("Clone to new run")))
    , m_count(new QLabel(this))
{
    m_proxy->setSourceModel(&m_runs);
    m_proxy->setSortRole(RunTableModel::kSortRole);
    m_proxy->setFilterKeyColumn(-1);
    m_proxy->setFilterCaseSensitivity(Qt::CaseInsensitive);
    m_table->setModel(m_proxy);
    styleTable(*m_table);
    m_table->setSortingEnabled(true);
    m_table->sortByColumn(RunTableModel::Started, Qt::DescendingOrder);
    m_table->setItemDelegateForColumn(RunTableModel::Curve, new SparklineDelegate(m_table));
    m_filter->setPlaceholderText(tr("Filter by name, base or state"));
    m_filter->setClearButtonEnabled(true);
    setFaint(m_count);

    auto* bar = new QHBoxLayout;
    bar->addWidget(m_filter, 1);
    bar->addWidget(m_count);
    bar->addWidget(m_clone);
    bar->addWidget(m_open);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(14, 12, 14, 10);
    layout->addLayout(bar);
    layout->addWidget(m_table, 1);

    connect(m_filter, &QLineEdit::textChanged, m_proxy,
            &QSortFilterProxyModel::setFilterFixedString);
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this,
            &RunsPage::updateButtons);
    connect(m_proxy, &QAbstractItemModel::modelReset, this, &RunsPage::updateButtons);
    connect(m_proxy, &QAbstractItemModel::layoutChanged, this, &RunsPage::updateButtons);
    connect(&m_runs, &RunTableModel::refreshed, this, [this] {
        if (!m_columnsFitted && m_runs.rowCount() > 0) {
            m_columnsFitted = true;
            fitColumns(*m_table);
        }
        updateButtons();
    });
    connect(m_table, &QTableView::activated, m_open, &QPushButton::click);
    connect(m_open, &QPushButton::clicked, this, [this] { Q_EMIT openRequested(*selected()); });
    connect(m_clone, &QPushButton::clicked, this, [this] { Q_EMIT cloneRequested(*selected()); });
    updateButtons();
}

std::optional<std::filesystem::path> RunsPage::selected() const
{
    const QModelIndexList rows = m_table->selectionModel()->selectedRows();
    if (rows.isEmpty()) {
        return std::nullopt;
    }
    return m_runs.run(m_proxy->mapToSource(rows.first()).row()).folder;
}

void RunsPage::updateButtons()
{
    const bool hasSelection = selected().has_value();
    m_open->setEnabled(hasSelection);
    m_clone->setEnabled(hasSelection);
    m_count->setText(m_runs.rowCount() == 0 ? tr("No run yet")
                                            : tr("Runs: %1").arg(m_proxy->rowCount()));
}

void RunsPage::showEvent(QShowEvent* event)
{
    QWidget::showEvent(event);
    m_runs.refresh();
}

} // namespace longlora::ui
