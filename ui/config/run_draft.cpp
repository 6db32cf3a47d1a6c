// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/run_draft.h"

#include "core/spec/base/error.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/config/lora_targets.h"

#include <algorithm>

namespace longlora::ui {

namespace {

constexpr std::size_t kUndoSteps = 200;

/// Of a folder, or of a name in the Hugging Face cache.
ModelCard readCard(const std::string& model)
{
    try {
        return readModelCard(resolveModelFolder(model));
    } catch (const Error& error) {
        ModelCard card;
        card.folder = model;
        card.problems.push_back(error.describe());
        return card;
    }
}

} // namespace

RunDraft::RunDraft(QObject* parent)
    : QObject(parent)
    , m_devices{localCpuProfile()}
{
    derive();
}

void RunDraft::setConfig(const RunConfig& config)
{
    if (config == m_config) {
        return;
    }
    m_undo.push_back(m_config);
    if (m_undo.size() > kUndoSteps) {
        m_undo.erase(m_undo.begin());
    }
    m_redo.clear();
    replace(config);
}

void RunDraft::undo()
{
    if (canUndo()) {
        m_redo.push_back(m_config);
        const RunConfig previous = m_undo.back();
        m_undo.pop_back();
        replace(previous);
    }
}

void RunDraft::redo()
{
    if (canRedo()) {
        m_undo.push_back(m_config);
        const RunConfig next = m_redo.back();
        m_redo.pop_back();
        replace(next);
    }
}

void RunDraft::replace(const RunConfig& config)
{
    const bool otherModel = config.model != m_config.model;
    if (otherModel || config.lora.targets != m_config.lora.targets) {
        m_droppedTargets.clear();
    }
    m_config = config;
    if (otherModel) {
        readModel();
    }
    derive();
    Q_EMIT changed();
}

void RunDraft::readModel()
{
    m_card.reset();
    m_modelJob.cancel();
    if (m_config.model.empty()) {
        Q_EMIT modelRead();
        return;
    }
    m_modelJob.run([model = m_config.model](const ProgressCallback&) { return readCard(model); },
                   [this](ModelCard card) {
                       m_card = std::move(card);
                       derive();
                       Q_EMIT modelRead();
                       Q_EMIT changed();
                   });
}

const ModelConfig* RunDraft::model() const
{
    return m_card && m_card->config ? &*m_card->config : nullptr;
}

/// Part of choosing the model, and undone with it: no step of its own.
void RunDraft::fitTargets()
{
    CarriedTargets carried = carryTargets(m_config.lora.targets, *model());
    if (!carried.dropped.empty()) {
        m_config.lora.targets = std::move(carried.targets);
        m_droppedTargets = std::move(carried.dropped);
    }
}

void RunDraft::derive()
{
    if (model() != nullptr) {
        fitTargets();
    }
    m_issues = validate(m_config, model());
    if (m_config.devices.kind == DeviceKind::Cuda && device().kind != DeviceKind::Cuda) {
        m_issues.push_back({"devices.kind", Severity::Error,
                            "no usable NVIDIA GPU was found in this machine", "\"auto\""});
    }
    m_plan.reset();
    m_alternatives.clear();
    m_fitsHere = true;
    if (model() == nullptr) {
        return;
    }
    m_plan = planMemory(*model(), m_config, plannedDevice());
    if (!m_plan->fits) {
        m_alternatives = nearestFits(*model(), m_config, plannedDevice());
    }
    m_fitsHere = m_plan->fits;
    if (m_elsewhere) {
        const PlanOutline here = outlinePlan(*model(), m_config, device());
        m_fitsHere = here.hostFits && here.peakBytes <= device().memoryBytes;
    }
}

void RunDraft::planFor(const std::optional<DeviceProfile>& elsewhere)
{
    m_elsewhere = elsewhere;
    derive();
    Q_EMIT changed();
}

const DeviceProfile& RunDraft::device() const
{
    const auto named = std::ranges::find(m_devices, m_config.devices.kind, &DeviceProfile::kind);
    return named != m_devices.end() ? *named : m_devices.front();
}

void RunDraft::setDevices(std::vector<DeviceProfile> devices)
{
    m_devices = std::move(devices);
    derive();
    Q_EMIT devicesMeasured();
    Q_EMIT changed();
}

int RunDraft::errorCount() const
{
    return static_cast<int>(
        std::count_if(m_issues.begin(), m_issues.end(),
                      [](const ConfigIssue& issue) { return issue.severity == Severity::Error; }));
}

std::int64_t RunDraft::rowTokens() const
{
    return model() != nullptr ? rowLength(*model(), m_config) : m_config.context.length;
}

std::int64_t RunDraft::modelContext() const
{
    return model() != nullptr ? model()->contextLength() : 0;
}

RunConfig withAbsolutePaths(RunConfig config, const std::filesystem::path& folder)
{
    const auto resolve = [&folder](std::string& path) {
        if (!path.empty() && std::filesystem::path(path).is_relative()) {
            path = (folder / path).lexically_normal().string();
        }
    };
    resolve(config.model);
    std::for_each(config.data.train.begin(), config.data.train.end(), resolve);
    std::for_each(config.data.validation.begin(), config.data.validation.end(), resolve);
    return config;
}

} // namespace longlora::ui
