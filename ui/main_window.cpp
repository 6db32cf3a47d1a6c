// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/main_window.h"

#include "core/spec/base/error.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/run/run_list.h"
#include "ui/config/model_shelf.h"
#include "ui/import_panel.h"
#include "ui/models/run_table_model.h"
#include "ui/pages/chat_page.h"
#include "ui/pages/configure_page.h"
#include "ui/pages/home_page.h"
#include "ui/pages/merge_page.h"
#include "ui/pages/monitor_page.h"
#include "ui/pages/runs_page.h"
#include "ui/shell/close_question.h"
#include "ui/shell/status_line.h"
#include "ui/text_format.h"
#include "ui/tour/tour_panel.h"
#include "ui/widgets/error_banner.h"
#include "ui/widgets/file_drop_filter.h"
#include "ui/widgets/wheel_filter.h"

#include <QApplication>
#include <QCloseEvent>
#include <QSettings>
#include <QSplitter>
#include <QStackedWidget>
#include <QVBoxLayout>

static void initResources()
{
    Q_INIT_RESOURCE(icons);
}

namespace longlora::ui {

namespace {

constexpr int kRecentModels = 10;
constexpr auto kRecentModelsKey = "recentModels";
constexpr auto kCacheFormatKey = "cacheFormat";

std::string runNameOf(const RunConfig& config)
{
    return config.runName.empty() ? std::filesystem::path(config.model).filename().string() + "-" +
                                        std::to_string(config.context.length)
                                  : config.runName;
}

} // namespace

MainWindow::MainWindow(const Services& services, const Environment& environment, QWidget* parent)
    : QMainWindow(parent)
    , m_demoFolder(environment.demoFolder)
    , m_runsFolder(environment.runsFolder)
    , m_settings(environment.settings)
    , m_presets(environment.presets)
    , m_dryRun(environment.dryRun)
    , m_live(services.training)
    , m_shelf(new ModelShelf(this))
    , m_runs(new RunTableModel(environment.runsFolder, this))
    , m_rail(new Rail(this))
    , m_stack(new QStackedWidget(this))
    , m_banner(new ErrorBanner("windowProblem", this))
    , m_import(new ImportPanel(services.conversion, this))
    , m_tourPanel(new TourPanel(m_tour, this))
    , m_status(new StatusLine(m_live, this))
{
    initResources();
    setObjectName(QStringLiteral("mainWindow"));
    setWindowTitle(tr("LongLoRA Workbench"));
    setAcceptDrops(true);
    setStatusBar(m_status);

    qApp->installEventFilter(new FileDropFilter(this));
    qApp->installEventFilter(new WheelFilter(this));
    makePages(services);
    auto* right = new QVBoxLayout;
    right->setContentsMargins(0, 0, 0, 0);
    right->setSpacing(0);
    right->addWidget(m_tourPanel);
    right->addWidget(m_banner);
    right->addWidget(m_import);
    right->addWidget(m_stack, 1);
    auto* central = new QWidget(this);
    auto* layout = new QHBoxLayout(central);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_rail);
    layout->addLayout(right, 1);
    setCentralWidget(central);

    connectPages();
    connectTour();
    makeMenus();
    restoreState();
    m_runs->refresh();
}

MainWindow::~MainWindow() = default;

void MainWindow::makePages(const Services& services)
{
    m_home = new HomePage(*m_runs, !m_demoFolder.empty(), m_presets, m_stack);
    m_configure = new ConfigurePage(services.device, m_dryRun, *m_shelf, m_stack);
    m_monitor = new MonitorPage(m_live, m_stack);
    m_merge = new MergePage(services.merge, *m_shelf, m_stack);
    m_chat = new ChatPage(services.chat, *m_shelf, m_stack);
    m_runsPage = new RunsPage(*m_runs, m_stack);
    // In the order of enum Page.
    for (QWidget* page : {static_cast<QWidget*>(m_home), static_cast<QWidget*>(m_configure),
                          static_cast<QWidget*>(m_monitor), static_cast<QWidget*>(m_merge),
                          static_cast<QWidget*>(m_chat), static_cast<QWidget*>(m_runsPage)}) {
        const int index = m_stack->addWidget(page);
        page->setAccessibleName(pageTitle(static_cast<Page>(index)));
    }
}

void MainWindow::connectPages()
{
    connect(m_rail, &Rail::chosen, this, &MainWindow::showPage);
    connect(m_status, &StatusLine::runClicked, this, [this] {
        m_monitor->showLive();
        showPage(Page::Monitor);
    });
    connect(m_home, &HomePage::demoRequested, this, &MainWindow::beginTour);
    connect(m_home, &HomePage::newRunRequested, this, [this] { showPage(Page::Configure); });
    connect(m_home, &HomePage::presetRequested, this, [this](const RunConfig& config) {
        m_configure->draft().setConfig(config);
        showPage(Page::Configure);
    });
    connect(m_home, &HomePage::runRequested, this, &MainWindow::openRun);
    connect(m_runsPage, &RunsPage::openRequested, this, &MainWindow::openRun);
    connect(m_runsPage, &RunsPage::cloneRequested, this, &MainWindow::cloneRun);
    connect(m_configure, &ConfigurePage::startRequested, this, &MainWindow::startRun);
    connect(m_monitor, &MonitorPage::mergeRequested, this, &MainWindow::openMerge);
    connect(m_monitor, &MonitorPage::chatRequested, this, &MainWindow::openChat);
    connect(m_merge, &MergePage::chatRequested, this, &MainWindow::openChat);
    connect(m_chat, &ChatPage::modelLoaded, this, &MainWindow::rememberModel);
    connect(&m_chat->session(), &ChatSession::cacheFormatChanged, this, [this](KvFormat format) {
        m_settings.setValue(QLatin1String(kCacheFormatKey), toQString(enumName(format)));
    });
    RunDraft& draft = m_configure->draft();
    connect(&draft, &RunDraft::devicesMeasured, this, [this, &draft] {
        m_home->showDevice(draft.device());
        m_status->showDevice(draft.device());
    });
    connect(&draft, &RunDraft::modelRead, this, [this, &draft] {
        if (draft.card() && draft.card()->isUsable()) {
            rememberModel(pathText(draft.card()->folder));
        }
    });
    const auto open = [this](const QString& path) { openPath(toPath(path)); };
    connect(m_configure, &ConfigurePage::openRequested, this, open);
    connect(m_merge, &MergePage::openRequested, this, open);
    connect(m_chat, &ChatPage::openRequested, this, open);
    connect(m_import, &ImportPanel::imported, this, &MainWindow::openModel);
    connect(&m_opening, &BackgroundJob::failed, this,
            [this](const QString& why, const QString& hint) {
                m_banner->show({tr("This cannot be opened here"), why, hint, {}});
            });
    connect(&m_live, &LiveRun::ended, this, &MainWindow::runEnded);
    const auto tell = [this](const QString& text) { m_status->showMessage(text, 6000); };
    connect(m_configure, &ConfigurePage::notice, this, tell);
    connect(m_monitor, &MonitorPage::notice, this, tell);
    connect(m_merge, &MergePage::notice, this, tell);
}

void MainWindow::restoreState()
{
    resize(1280, 800);
    restoreGeometry(m_settings.value(QLatin1String("geometry")).toByteArray());
    const int page = m_settings.value(QLatin1String("page"), 0).toInt();
    showPage(static_cast<Page>(page >= 0 && page < kPageCount ? page : 0));
    for (QSplitter* splitter :
         {&m_configure->splitter(), &m_monitor->splitter(), &m_chat->splitter()}) {
        splitter->restoreState(
            m_settings.value(QLatin1String("splitter/") + splitter->objectName()).toByteArray());
    }
    m_shelf->setRecent(m_settings.value(QLatin1String(kRecentModelsKey)).toStringList());
    const std::string cache =
        m_settings.value(QLatin1String(kCacheFormatKey)).toString().toStdString();
    m_chat->session().keepCacheIn(enumFromName<KvFormat>(cache).value_or(KvFormat::Model));
}

void MainWindow::saveState() const
{
    m_settings.setValue(QLatin1String("geometry"), saveGeometry());
    m_settings.setValue(QLatin1String("page"), m_stack->currentIndex());
    for (const QSplitter* splitter :
         {&m_configure->splitter(), &m_monitor->splitter(), &m_chat->splitter()}) {
        m_settings.setValue(QLatin1String("splitter/") + splitter->objectName(),
                            splitter->saveState());
    }
}

void MainWindow::rememberModel(const QString& folder)
{
    QStringList models = m_settings.value(QLatin1String(kRecentModelsKey)).toStringList();
    models.removeAll(folder);
    models.prepend(folder);
    models = models.mid(0, kRecentModels);
    m_settings.setValue(QLatin1String(kRecentModelsKey), models);
    m_shelf->setRecent(models);
}

void MainWindow::showPage(Page page)
{
    m_rail->setCurrent(page);
    m_stack->setCurrentIndex(static_cast<int>(page));
}

Page MainWindow::currentPage() const
{
    return static_cast<Page>(m_stack->currentIndex());
}

void MainWindow::startRun()
{
    const RunConfig config = m_configure->draft().config();
    m_banner->clear();
    m_live.start(config, newRunFolder(m_runsFolder, runNameOf(config)));
    m_configure->setObstacle(tr("A run is under way; another can start when it has ended."));
    showPage(Page::Monitor);
}

void MainWindow::runEnded()
{
    m_configure->setObstacle({});
    m_runs->refresh();
    const std::optional<RunFinished>& end = m_live.model().record().finished;
    m_tour.runEnded(end && end->outcome != RunOutcome::Failed && !end->adapter.empty());
    if (m_closeWhenDone) {
        close();
    }
}

void MainWindow::cloneRun(const std::filesystem::path& folder)
{
    try {
        m_configure->draft().setConfig(RunDirectory::open(folder).readConfig());
        showPage(Page::Configure);
    } catch (const std::exception& problem) {
        showProblem(tr("The run cannot be cloned"), problem);
    }
}

void MainWindow::openChat(const QString& model)
{
    m_chat->loadModel(model);
    if (m_tour.stage() == Tour::Stage::Merged) {
        const TourScript& script = m_tour.script();
        ChatSession& session = m_chat->session();
        while (!session.documents().empty()) {
            session.removeDocument(0);
        }
        session.attach({pathText(script.document)});
        SamplingOptions greedy = session.sampling();
        greedy.temperature = 0.0;
        greedy.maxNewTokens = 16;
        session.setSampling(greedy);
        m_chat->setQuestion(toQString(script.question));
        m_chat->setNote(toQString(script.note));
        m_tour.chatShown();
    }
    showPage(Page::Chat);
}

void MainWindow::showProblem(const QString& what, const std::exception& problem)
{
    const auto* error = dynamic_cast<const Error*>(&problem);
    m_banner->show(
        {what, toQString(problem.what()), error ? toQString(error->hint()) : QString(), {}});
}

void MainWindow::closeEvent(QCloseEvent* event)
{
    if (!m_live.isRunning()) {
        saveState();
        event->accept();
        return;
    }
    event->ignore();
    if (findChild<CloseQuestion*>() != nullptr) {
        return;
    }
    auto* question = new CloseQuestion(this);
    connect(question, &CloseQuestion::keepRunning, this, [this] {
        m_closeWhenDone = true;
        showMinimized();
    });
    connect(question, &CloseQuestion::stopAndClose, this, [this] {
        m_closeWhenDone = true;
        m_live.request(ControlRequest::Stop);
        m_status->showMessage(tr("Stopping at the next step, then closing"));
    });
    question->open();
}

} // namespace longlora::ui
