// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/config_issues.h"
#include "core/spec/config/run_config.h"
#include "core/spec/inspect/model_card.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"
#include "ui/background_job.h"

#include <QObject>

#include <filesystem>
#include <optional>
#include <vector>

namespace longlora::ui {

/// The run being configured: the configuration, the model it names and what follows from both.
/// Every edit re-plans at once; only reading the model takes a background thread.
class RunDraft : public QObject {
    Q_OBJECT

public:
    explicit RunDraft(QObject* parent = nullptr);

    const RunConfig& config() const { return m_config; }
    void setConfig(const RunConfig& config);
    /// Changes a copy and takes it over: `draft.edit([](RunConfig& c) { c.lora.rank = 16; })`.
    template <class Change>
    void edit(Change change)
    {
        RunConfig next = m_config;
        change(next);
        setConfig(next);
    }
    bool canUndo() const { return !m_undo.empty(); }
    bool canRedo() const { return !m_redo.empty(); }
    void undo();
    void redo();

    /// Empty while the model is read, or none is named.
    const std::optional<ModelCard>& card() const { return m_card; }
    bool isReadingModel() const { return m_modelJob.isRunning(); }
    const ModelConfig* model() const;
    /// Of this machine, the one that devices.kind names.
    const DeviceProfile& device() const;
    /// First the one that auto means; not empty.
    void setDevices(std::vector<DeviceProfile> devices);
    /// What the plan is for: this machine, or another device that planFor() named.
    const DeviceProfile& plannedDevice() const { return m_elsewhere ? *m_elsewhere : device(); }
    void planFor(const std::optional<DeviceProfile>& elsewhere);
    const std::optional<MemoryPlan>& plan() const { return m_plan; }
    /// What would fit the planned device, where the run does not.
    const std::vector<PlanAlternative>& alternatives() const { return m_alternatives; }
    /// Whether the run fits this machine, wherever the plan is for.
    bool fitsHere() const { return m_fitsHere; }
    const std::vector<ConfigIssue>& issues() const { return m_issues; }
    int errorCount() const;
    /// Tokens in a row; 0 if not known.
    std::int64_t rowTokens() const;
    /// The model's own context in tokens; 0 if not known.
    std::int64_t modelContext() const;
    /// LoRA targets that the model has not and that were therefore replaced; empty again once the
    /// targets or the model are changed.
    const std::vector<std::string>& droppedTargets() const { return m_droppedTargets; }

Q_SIGNALS:
    /// Configuration, plan or issues are other ones now.
    void changed();
    /// setDevices() told what this machine has.
    void devicesMeasured();
    /// Another model has been read (or turned out to be broken).
    void modelRead();

private:
    void replace(const RunConfig& config);
    void readModel();
    void fitTargets();
    void derive();

    RunConfig m_config;
    std::vector<RunConfig> m_undo;
    std::vector<RunConfig> m_redo;
    std::optional<ModelCard> m_card;
    std::vector<DeviceProfile> m_devices;
    std::optional<DeviceProfile> m_elsewhere;
    std::optional<MemoryPlan> m_plan;
    std::vector<PlanAlternative> m_alternatives;
    bool m_fitsHere = true;
    std::vector<ConfigIssue> m_issues;
    std::vector<std::string> m_droppedTargets;
    BackgroundJob m_modelJob;
};

/// `config` with its relative paths (model, data) taken from `folder`.
RunConfig withAbsolutePaths(RunConfig config, const std::filesystem::path& folder);

} // namespace longlora::ui
