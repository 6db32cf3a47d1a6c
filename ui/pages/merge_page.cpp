// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/merge_page.h"

#include "core/spec/base/error.h"
#include "core/spec/run/run_directory.h"
#include "ui/merge/merge_command.h"
#include "ui/merge/merge_form.h"
#include "ui/merge/merge_outlook.h"
#include "ui/merge/merge_result.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/error_banner.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollArea>
#include <QTimer>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QString phaseText(const std::string& phase)
{
    return phase == "merging"     ? MergePage::tr("Merging")
           : phase == "verifying" ? MergePage::tr("Verifying")
           : phase == "exporting" ? MergePage::tr("Writing GGUF")
                                  : toQString(phase);
}

} // namespace

MergePage::MergePage(MergeService& service, ModelShelf& shelf, QWidget* parent)
    : QWidget(parent)
    , m_service(service)
    , m_banner(new ErrorBanner("mergeProblem", this))
    , m_scroll(named(new QScrollArea(this), "mergeScroll", tr("Merge and export")))
    , m_form(new MergeForm(shelf, this))
    , m_outlook(new MergeOutlook(service, this))
    , m_result(new MergeResult(this))
{
    auto* content = new QWidget(this);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(10);
    column->addWidget(m_form);
    column->addWidget(m_outlook);
    column->addWidget(makeActions());
    column->addWidget(m_result, 1);
    // With large text there is more than a window's height.
    m_scroll->setWidgetResizable(true);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidget(content);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(20, 16, 20, 14);
    layout->addWidget(m_banner);
    layout->addWidget(m_scroll, 1);

    connect(m_form, &MergeForm::changed, this, &MergePage::examine);
    connect(m_form, &MergeForm::openRequested, this, &MergePage::openRequested);
    connect(m_outlook, &MergeOutlook::examined, this, [this](const MergePreview& preview) {
        m_form->setExisting(preview.outputExists, preview.existingBytes);
    });
    connect(m_outlook, &MergeOutlook::settled, this, &MergePage::updateControls);
    connect(m_result, &MergeResult::chatRequested, this, &MergePage::chatRequested);
    connect(m_result, &MergeResult::exchanged, this, [this] {
        m_outlook->setWritten({});
        examine();
    });
    connect(m_result, &MergeResult::failed, this,
            [this](const QString& what, const QString& why, const QString& remedy) {
                m_banner->show({what, why, remedy, {}});
            });
    connect(&m_job, &BackgroundJob::progressed, this, &MergePage::showProgress);
    connect(&m_job, &BackgroundJob::failed, this, [this](const QString& what, const QString& hint) {
        m_result->clear({});
        m_banner->show({tr("The merge failed; nothing was written"), what, hint, {}});
    });
    connect(&m_job, &BackgroundJob::cancelled, this,
            [this] { m_result->clear(tr("Cancelled; nothing was written.")); });
    connect(&m_job, &BackgroundJob::finished, this, &MergePage::examine);
    examine();
}

QWidget* MergePage::makeActions()
{
    auto* box = new QWidget(this);
    m_start = named(new QPushButton(tr("&Merge"), box), "mergeStart", tr("Merge"));
    m_start->setDefault(true);
    m_cancel = named(new QPushButton(tr("C&ancel"), box), "mergeCancel", tr("Cancel the merge"));
    m_copy = named(new QPushButton(tr("C&opy as command"), box), "mergeCopyCommand",
                   tr("Copy as command"));
    m_copy->setToolTip(tr("The line for the terminal that does the same"));
    m_progress = named(new QProgressBar(box), "mergeProgress", tr("Progress of the merge"));
    m_status = named(new QLabel(box), "mergeStatus", tr("How far the merge is"));
    auto* layout = new QHBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_start);
    layout->addWidget(m_cancel);
    layout->addWidget(m_progress, 1);
    layout->addWidget(m_status);
    layout->addStretch();
    layout->addWidget(m_copy);
    connect(m_start, &QPushButton::clicked, this, &MergePage::start);
    connect(m_cancel, &QPushButton::clicked, &m_job, &BackgroundJob::cancel);
    connect(m_copy, &QPushButton::clicked, this, &MergePage::copyCommand);
    return box;
}

void MergePage::setPaths(const QString& base, const QString& adapter)
{
    m_banner->clear();
    if (!base.isEmpty()) {
        m_form->setBase(base);
    }
    if (!adapter.isEmpty()) {
        m_form->setAdapter(adapter);
    }
}

void MergePage::clear()
{
    m_form->setBase({});
    m_form->setAdapter({});
}

void MergePage::openRun(const std::filesystem::path& folder)
{
    try {
        setPaths(toQString(RunDirectory::open(folder).readConfig().model),
                 pathText(folder / "adapter"));
    } catch (const Error& error) {
        m_banner->show(
            {tr("This run cannot be read"), toQString(error.what()), toQString(error.hint()), {}});
    }
}

void MergePage::examine()
{
    if (!isRunning()) {
        m_form->isComplete() ? m_outlook->examine(m_form->request())
                             : m_outlook->wait(m_form->missing());
    }
    updateControls();
}

void MergePage::start()
{
    m_banner->clear();
    const MergeRequest request = m_form->request();
    m_result->clear(tr("Merging into %1").arg(pathText(request.output)));
    m_progress->setRange(0, 0);
    m_status->clear();
    m_estimate.reset();
    m_clock.start();
    m_job.run([&service = m_service, request](
                  const ProgressCallback& progress) { return service.merge(request, progress); },
              [this, request](const MergeReport& report) {
                  m_result->showReport(request, report);
                  m_outlook->setWritten(request.output);
                  QTimer::singleShot(0, this, [this] { m_scroll->ensureWidgetVisible(m_result); });
                  Q_EMIT merged(pathText(request.output));
              });
    updateControls();
}

void MergePage::showProgress(const Progress& progress)
{
    m_estimate.update(progress, static_cast<double>(m_clock.elapsed()) / 1000.0);
    m_progress->setRange(0, progress.total > 0 ? 100 : 0);
    m_progress->setValue(m_estimate.percent());
    m_progress->setFormat(phaseText(progress.phase) + QLatin1String("  %p %"));
    m_status->setText(m_estimate.text());
}

void MergePage::copyCommand()
{
    QGuiApplication::clipboard()->setText(mergeCommandLine(m_form->request()));
    Q_EMIT notice(tr("The command is in the clipboard"));
}

void MergePage::updateControls()
{
    const bool running = m_job.isRunning();
    const bool complete = m_form->isComplete();
    m_start->setEnabled(complete && !running && !m_outlook->isHopeless());
    m_copy->setEnabled(complete);
    m_cancel->setVisible(running);
    m_progress->setVisible(running);
    m_status->setVisible(running);
    m_form->setEnabled(!running);
}

} // namespace longlora::ui
