// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/main_window.h"
#include "ui/pages/chat_page.h"
#include "ui/pages/configure_page.h"
#include "ui/pages/merge_page.h"
#include "ui/pages/monitor_page.h"
#include "ui/text_format.h"
#include "ui/tour/tour_panel.h"

#include <QAbstractButton>

namespace longlora::ui {

void MainWindow::connectTour()
{
    connect(m_tourPanel, &TourPanel::nextRequested, this, &MainWindow::nextTourStep);
    connect(&m_live, &LiveRun::started, &m_tour, &Tour::runStarted);
    connect(m_merge, &MergePage::merged, &m_tour, &Tour::merged);
    RunDraft& draft = m_configure->draft();
    connect(&draft, &RunDraft::changed, this,
            [this, &draft] { m_tourPanel->setLengths(draft.modelContext(), draft.rowTokens()); });
    ChatSession& session = m_chat->session();
    connect(&session, &ChatSession::turnsChanged, this, [this, &session] {
        if (!session.turns().empty() && session.turns().back().stats) {
            m_tour.answered(toQString(session.turns().back().text.answer));
        }
    });
}

void MainWindow::beginTour()
{
    try {
        const TourScript script = readTourScript(m_demoFolder);
        m_configure->draft().setConfig(script.config);
        m_tour.begin(script);
        showPage(m_live.isRunning() ? Page::Monitor : Page::Configure);
    } catch (const std::exception& problem) {
        showProblem(tr("The demo is not complete"), problem);
    }
}

void MainWindow::nextTourStep()
{
    using Stage = Tour::Stage;
    const auto press = [this](const char* objectName) {
        auto* button = findChild<QAbstractButton*>(QLatin1String(objectName));
        button->click();
    };
    switch (m_tour.stage()) {
    case Stage::Configure:
        showPage(Page::Configure);
        press("configureStart");
        break;
    case Stage::Trained:
        m_monitor->showLive();
        press("monitorMerge");
        break;
    case Stage::Merge:
        showPage(Page::Merge);
        press("mergeStart");
        break;
    case Stage::Merged:
        press("mergeChat");
        break;
    case Stage::Ask:
        showPage(Page::Chat);
        press("chatSend");
        break;
    case Stage::Answered:
        m_tour.skip();
        break;
    case Stage::Off:
    case Stage::Train:
        break;
    }
}

} // namespace longlora::ui
