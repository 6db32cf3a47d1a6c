// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/data_group.h"

#include "core/spec/inspect/path_kind.h"
#include "ui/config/config_form.h"
#include "ui/models/data_files_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"
#include "ui/widgets/histogram.h"
#include "ui/widgets/table_style.h"

#include <QDragEnterEvent>
#include <QFileDialog>
#include <QHeaderView>
#include <QLabel>
#include <QMimeData>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

#include <algorithm>
#include <numeric>

namespace longlora::ui {

namespace {

bool isDataFile(const QUrl& url)
{
    if (!url.isLocalFile()) {
        return false;
    }
    const auto path = toPath(url.toLocalFile());
    const PathKind kind = pathKindOf(path);
    std::error_code ignored;
    return kind == PathKind::Text || kind == PathKind::Jsonl || kind == PathKind::TokenFile ||
           (kind == PathKind::Unknown && std::filesystem::is_regular_file(path, ignored));
}

} // namespace

DataGroup::DataGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Data"), parent)
    , m_draft(draft)
    , m_files(new DataFilesModel(draft, this))
    , m_table(new QTableView(this))
    , m_summary(named(new QLabel(this), "configureDataSummary", tr("Summary of the data")))
    , m_histogram(named(new Histogram(this), "configureHistogram", tr("Lengths of the documents")))
{
    setAcceptDrops(true);
    m_table->setModel(m_files);
    styleTable(*m_table);
    m_table->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->setFixedHeight(m_table->fontMetrics().height() * 7);
    FieldRow* table = form.unlabelled("data.train", m_table, [](const RunConfig&) {});
    m_table->setObjectName(QStringLiteral("configureDataTable"));
    m_table->setAccessibleName(tr("Data files"));
    m_table->setToolTip({});
    m_summary->setWordWrap(true);

    FlowGrid* grid = makeFieldGrid(*this);
    grid->addWidget(
        form.choice<Packing>("data.packing", {{Packing::Documents, tr("whole documents")},
                                              {Packing::Stream, tr("one stream")}}));
    grid->addWidget(form.check("data.mask_documents"));

    auto* layout = new QVBoxLayout(this);
    layout->addWidget(makeButtons());
    layout->addWidget(table);
    layout->addWidget(m_summary);
    layout->addWidget(m_histogram);
    layout->addLayout(grid);
    connect(m_files, &DataFilesModel::countsChanged, this, &DataGroup::showCounts);
    connect(&draft, &RunDraft::changed, this, &DataGroup::showCounts);
    showCounts();
}

QWidget* DataGroup::makeButtons()
{
    auto* box = new QWidget(this);
    auto* add = named(new QPushButton(tr("Add &training files"), box), "configureAddTraining",
                      tr("Add training files"));
    auto* held = named(new QPushButton(tr("Add held-&out files"), box), "configureAddHeldOut",
                       tr("Add held-out files"));
    auto* remove = named(new QPushButton(tr("&Remove"), box), "configureRemoveData",
                         tr("Remove the selected files"));
    connect(add, &QPushButton::clicked, this, [this] { chooseFiles(false); });
    connect(held, &QPushButton::clicked, this, [this] { chooseFiles(true); });
    connect(remove, &QPushButton::clicked, this, [this] {
        QList<int> rows;
        for (const QModelIndex& index : m_table->selectionModel()->selectedRows()) {
            rows.append(index.row());
        }
        m_files->removeRows(rows);
    });
    const auto enable = [this, remove] {
        remove->setEnabled(m_table->selectionModel()->hasSelection());
    };
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, remove, enable);
    connect(m_files, &QAbstractItemModel::modelReset, remove, enable);
    enable();
    auto* layout = new QHBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(add);
    layout->addWidget(held);
    layout->addWidget(remove);
    layout->addStretch();
    return box;
}

void DataGroup::chooseFiles(bool heldOut)
{
    auto* dialog = new QFileDialog(this, heldOut ? tr("Held-out files") : tr("Training files"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFiles);
    dialog->setNameFilters({tr("Text and rows (*.txt *.md *.jsonl)"), tr("All files (*)")});
    connect(dialog, &QFileDialog::filesSelected, this,
            [this, heldOut](const QStringList& files) { m_files->addFiles(files, heldOut); });
    dialog->open();
}

void DataGroup::showCounts()
{
    const std::vector<std::int64_t> lengths = m_files->trainingLengths();
    const std::int64_t row = m_draft.rowTokens();
    m_histogram->setLengths(lengths, row);
    m_histogram->setVisible(!lengths.empty());
    if (m_files->rowCount() == 0) {
        m_summary->setText(tr("No file yet. Drop text, Markdown or JSONL files here."));
        setFaint(m_summary);
        return;
    }
    m_summary->setForegroundRole(QPalette::WindowText);
    fitColumns(*m_table);
    const std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    QString text =
        tr("Training documents: %1, tokens: %2.")
            .arg(countText(static_cast<std::int64_t>(lengths.size())), countText(tokens));
    if (row > 0 && tokens > 0) {
        const auto longer = std::count_if(lengths.begin(), lengths.end(),
                                          [row](std::int64_t length) { return length > row; });
        text +=
            u' ' + tr("Rows of %2: at least %1. Documents longer than a row: %3; they continue "
                      "in the next.")
                       .arg(countText((tokens + row - 1) / row), countText(row), countText(longer));
    }
    m_summary->setText(lengths.empty() && m_files->isCounting() ? tr("Counting tokens")
                       : m_files->isCounting()                  ? text + tr(" Counting.")
                                                                : text);
}

void DataGroup::dragEnterEvent(QDragEnterEvent* event)
{
    // A model, an adapter or a run is no data: the window opens it.
    const QList<QUrl> urls = event->mimeData()->urls();
    if (!urls.isEmpty() && std::all_of(urls.begin(), urls.end(), isDataFile)) {
        event->acceptProposedAction();
    }
}

void DataGroup::dropEvent(QDropEvent* event)
{
    QStringList files;
    for (const QUrl& url : event->mimeData()->urls()) {
        files.append(url.toLocalFile());
    }
    m_files->addFiles(files, false);
    event->acceptProposedAction();
}

} // namespace longlora::ui
