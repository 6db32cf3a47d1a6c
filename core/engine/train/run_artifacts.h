// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/train/trainable_set.h"
#include "core/spec/run/run_directory.h"

#include <string>

namespace longlora {

/// Writes what a run trained into its folder: a PEFT adapter (method lora) or a whole model (full).
class RunArtifacts {
public:
    /// Everything outlives this.
    RunArtifacts(const RunDirectory& directory, const RunConfig& config, DecoderModel& model,
                 const TrainableSet& trainables, AdapterOrigin origin);

    struct Written {
        std::string path; ///< relative to the run directory
        double bytes = 0.0;
        double seconds = 0.0;
    };
    /// checkpoints/step-N, complete or absent; older ones beyond checkpoint.keep go. Throws:
    /// DataError.
    Written writeCheckpoint(std::int64_t step) const;
    /// The finished run's result folder. Throws: DataError.
    Written writeResult() const;
    /// Writes a checkpoint's files, measures, and removes them: for a dry run.
    Written tryCheckpoint() const;

private:
    void writeInto(const std::filesystem::path& folder) const;

    const RunDirectory& m_directory;
    const RunConfig& m_config;
    DecoderModel& m_model;
    const TrainableSet& m_trainables;
    AdapterOrigin m_origin;
};

} // namespace longlora
