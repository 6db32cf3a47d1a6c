// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/monitor_page.h"

#include "core/spec/base/error.h"
#include "ui/models/event_log_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/plots/run_plots.h"
#include "ui/run/failure_text.h"
#include "ui/run/live_run.h"
#include "ui/run/plot_tools.h"
#include "ui/run/run_controls.h"
#include "ui/run/run_header.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/error_banner.h"
#include "ui/widgets/table_style.h"

#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

MonitorPage::MonitorPage(LiveRun& live, QWidget* parent)
    : QWidget(parent)
    , m_live(live)
    , m_stack(new QStackedWidget(this))
    , m_banner(new ErrorBanner("monitorProblem", this))
    , m_header(new RunHeader(this))
    , m_controls(new RunControls(this))
    , m_plots(new RunPlots(this))
    , m_tools(new PlotTools(*m_plots, this))
    , m_log(new EventLogModel(this))
    , m_merge(named(new QPushButton(tr("&Merge"), this), "monitorMerge", tr("Merge this run")))
    , m_chat(named(new QPushButton(tr("Cha&t"), this), "monitorChat", tr("Chat with its model")))
    , m_splitter(named(new QSplitter(Qt::Vertical, this), "monitorSplitter", tr("Curves and log")))
{
    auto* empty =
        new QLabel(tr("No run is shown. Start one on Configure, or open one from Runs."), this);
    empty->setObjectName(QStringLiteral("monitorEmpty"));
    empty->setAlignment(Qt::AlignCenter);
    setFaint(empty);
    m_stack->addWidget(empty);
    m_stack->addWidget(makeRunView());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(14, 12, 14, 8);
    layout->addWidget(m_banner);
    layout->addWidget(m_stack, 1);

    connect(&m_live, &LiveRun::started, this, &MonitorPage::showLive);
    connect(&m_live, &LiveRun::ended, this, &MonitorPage::showRun);
    connect(&m_live.model(), &RunModel::changed, this,
            [this] { m_showsLive ? showRun() : void(); });
    connect(&m_viewer.model(), &RunModel::changed, this,
            [this] { m_showsLive ? void() : showRun(); });
    connect(&m_viewer, &RunViewer::opened, this, &MonitorPage::showRun);
    connect(&m_viewer, &RunViewer::failed, this, [this](const QString& why, const QString& hint) {
        m_stack->setCurrentIndex(0);
        m_banner->show({tr("The run cannot be opened"), why, hint, {}});
    });
    connect(m_controls, &RunControls::requested, this, &MonitorPage::request);
    connect(m_merge, &QPushButton::clicked, this, &MonitorPage::requestMerge);
    connect(m_chat, &QPushButton::clicked, this,
            [this] { Q_EMIT chatRequested(pathText(folder() / record().finished->adapter)); });
    connect(m_tools, &PlotTools::notice, this, &MonitorPage::notice);
    connect(m_tools, &PlotTools::exportFailed, this, [this](const QString& why) {
        m_banner->show({tr("The export failed"), why, tr("Choose another place."), {}});
    });
}

QWidget* MonitorPage::makeRunView()
{
    auto* view = new QWidget(this);
    auto* actions = new QHBoxLayout;
    actions->addWidget(m_controls);
    actions->addWidget(m_merge);
    actions->addWidget(m_chat);
    actions->addStretch();
    m_splitter->addWidget(m_plots);
    m_splitter->addWidget(makeLog());
    m_splitter->setStretchFactor(0, 5);
    m_splitter->setStretchFactor(1, 1);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->setSizes({480, 110});
    named(&m_plots->plot(), "monitorPlots", tr("Curves of the run"));
    auto* layout = new QVBoxLayout(view);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_header);
    layout->addLayout(actions);
    layout->addWidget(m_tools);
    layout->addWidget(m_splitter, 1);
    return view;
}

QWidget* MonitorPage::makeLog()
{
    auto* log = named(new QTableView(this), "monitorLog", tr("Event log"));
    log->setModel(m_log);
    styleTable(*log);
    log->horizontalHeader()->hide();
    log->horizontalHeader()->setStretchLastSection(true);
    const int letter = log->fontMetrics().averageCharWidth();
    log->setColumnWidth(EventLogModel::Time, letter * 12);
    log->setColumnWidth(EventLogModel::Kind, letter * 14);
    log->setMinimumHeight(log->fontMetrics().height() * 3);
    connect(m_log, &QAbstractItemModel::rowsInserted, log, &QTableView::scrollToBottom,
            Qt::QueuedConnection);
    return log;
}

RunModel& MonitorPage::model()
{
    return m_showsLive ? m_live.model() : m_viewer.model();
}

const RunRecord& MonitorPage::record()
{
    return model().record();
}

const std::filesystem::path& MonitorPage::folder() const
{
    return m_showsLive ? m_live.folder() : m_viewer.folder();
}

void MonitorPage::showLive()
{
    m_showsLive = true;
    showAnother();
}

void MonitorPage::openFolder(const std::filesystem::path& folder)
{
    m_showsLive = !m_live.folder().empty() && m_live.folder() == folder;
    if (!m_showsLive) {
        m_viewer.open(folder);
    }
    showAnother();
}

void MonitorPage::showAnother()
{
    m_banner->clear();
    m_plots->clear();
    m_log->clear();
    m_controls->forget();
    m_endShown = false;
    m_tools->setModel(model());
    m_plots->plot().fit();
    showRun();
}

QString MonitorPage::stateText()
{
    if (!m_showsLive && m_viewer.isLoading()) {
        return tr("Reading the run");
    }
    if (record().finished) {
        return outcomeText(record().finished->outcome, false);
    }
    if (!m_showsLive && m_viewer.isInterrupted()) {
        return tr("Interrupted: its process ended without a word");
    }
    const QString detail = toQString(record().stateDetail);
    const QString state = runStateText(record().state);
    return detail.isEmpty() ? state : state + QLatin1String(": ") + detail;
}

bool MonitorPage::canControl()
{
    return !record().isFinished() && (m_showsLive ? m_live.isRunning() : m_viewer.isRunning());
}

RunConfig MonitorPage::config()
{
    return m_showsLive ? m_live.config() : m_viewer.config().value_or(RunConfig{});
}

void MonitorPage::showRun()
{
    const bool any = !folder().empty();
    m_stack->setCurrentIndex(any ? 1 : 0);
    if (!any) {
        return;
    }
    m_header->show(record(), pathText(folder().filename()), stateText());
    m_controls->show(record(), canControl());
    m_plots->show(record());
    m_log->show(record());
    const std::optional<RunFinished>& end = record().finished;
    const bool usable = end && end->outcome != RunOutcome::Failed && !end->adapter.empty();
    const bool isModel = usable && config().method == TrainingMethod::Full;
    m_merge->setVisible(usable && !isModel);
    m_chat->setVisible(isModel);
    if (end && !m_endShown) {
        m_endShown = true;
        showEnd();
    }
}

void MonitorPage::showEnd()
{
    if (record().finished->outcome == RunOutcome::Failed) {
        m_banner->show(describeFailure(record()));
    }
}

void MonitorPage::request(ControlRequest request)
{
    try {
        m_showsLive ? m_live.request(request) : m_viewer.request(request);
    } catch (const Error& error) {
        m_controls->forget();
        m_banner->show(
            {tr("The run cannot be asked"), toQString(error.what()), toQString(error.hint()), {}});
    }
    showRun();
}

void MonitorPage::requestMerge()
{
    const std::filesystem::path adapter = folder() / record().finished->adapter;
    Q_EMIT mergeRequested(toQString(config().model), pathText(adapter));
}

} // namespace longlora::ui
