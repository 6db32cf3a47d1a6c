// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/run_artifacts.h"

#include "core/engine/checkpoint/base_model.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <chrono>
#include <filesystem>

namespace longlora {

namespace fs = std::filesystem;

namespace {

double folderBytes(const fs::path& folder)
{
    double bytes = 0.0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            bytes += static_cast<double>(entry.file_size());
        }
    }
    return bytes;
}

template <class Work>
RunArtifacts::Written timed(const fs::path& root, const Work& work)
{
    const auto start = std::chrono::steady_clock::now();
    const fs::path folder = work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return {fs::relative(folder, root).string(), folderBytes(folder), elapsed.count()};
}

} // namespace

RunArtifacts::RunArtifacts(const RunDirectory& directory, const RunConfig& config,
                           DecoderModel& model, const TrainableSet& trainables,
                           AdapterOrigin origin)
    : m_directory(directory)
    , m_config(config)
    , m_model(model)
    , m_trainables(trainables)
    , m_origin(std::move(origin))
{}

void RunArtifacts::writeInto(const fs::path& folder) const
{
    if (m_config.method == TrainingMethod::Full) {
        saveModel(m_model, folder, m_model.dtype(), m_config.model);
        return;
    }
    const AdapterDescription description{fs::absolute(m_config.model).lexically_normal().string(),
                                         m_config.lora, m_origin};
    writeAdapter(folder, description, m_trainables.pairs(), m_trainables.wholeWeights());
}

RunArtifacts::Written RunArtifacts::writeCheckpoint(std::int64_t step) const
{
    return timed(m_directory.path(), [&] {
        writeInto(m_directory.temporaryCheckpointFolder(step));
        m_directory.commitCheckpoint(step, m_config.checkpoint.keep);
        return m_directory.checkpointFolder(step);
    });
}

RunArtifacts::Written RunArtifacts::writeResult() const
{
    return timed(m_directory.path(), [&] {
        const fs::path result = m_directory.resultFolder();
        const fs::path temporary = result.string() + ".tmp";
        fs::remove_all(temporary);
        fs::create_directories(temporary);
        writeInto(temporary);
        fs::rename(temporary, result);
        syncDirectory(m_directory.path());
        return result;
    });
}

RunArtifacts::Written RunArtifacts::tryCheckpoint() const
{
    const fs::path folder = m_directory.temporaryCheckpointFolder(0);
    const Written written = timed(m_directory.path(), [&] {
        writeInto(folder);
        return folder;
    });
    fs::remove_all(folder);
    return written;
}

} // namespace longlora
