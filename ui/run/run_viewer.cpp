// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/run_viewer.h"

#include "core/spec/run/run_directory.h"

namespace longlora::ui {

namespace {

struct OpenedRun {
    RunConfig config;
    RunRecord record;
    std::shared_ptr<EventFileSource> source;
    bool held = false;
};

OpenedRun readRun(const std::filesystem::path& folder, const ProgressCallback& progress)
{
    const RunDirectory directory = RunDirectory::open(folder);
    OpenedRun run;
    run.config = directory.readConfig();
    // Asked before the events are read: a run that ends meanwhile has said so in its file.
    run.held = RunLock::isHeld(directory);
    run.source = std::make_shared<EventFileSource>(directory.eventFile());
    do {
        for (const Event& event : run.source->drain()) {
            run.record.apply(event);
        }
        if (!progress({"reading events", run.record.currentStep(), 0, "steps"})) {
            throw Cancelled{};
        }
    } while (!run.source->atEnd());
    return run;
}

} // namespace

RunViewer::RunViewer(QObject* parent)
    : QObject(parent)
    , m_pump(m_model)
{
    connect(&m_job, &BackgroundJob::failed, this, &RunViewer::failed);
    connect(&m_model, &RunModel::runFinished, this, [this] {
        m_held = false;
        m_pump.stop();
    });
}

void RunViewer::open(const std::filesystem::path& folder)
{
    m_pump.stop();
    m_folder = folder;
    m_config.reset();
    m_held = m_loaded = false;
    m_model.reset();
    const auto work = [folder](const ProgressCallback& progress) {
        return std::make_shared<OpenedRun>(readRun(folder, progress));
    };
    m_job.run(work, [this](const std::shared_ptr<OpenedRun>& run) {
        m_config = run->config;
        m_source = run->source;
        m_held = run->held;
        m_loaded = true;
        m_model.reset(std::move(run->record));
        if (isRunning()) {
            m_pump.follow(*m_source, EventPump::kFileInterval);
        }
        Q_EMIT opened();
    });
}

void RunViewer::request(ControlRequest request)
{
    RunDirectory::open(m_folder).postControl(request);
}

} // namespace longlora::ui
