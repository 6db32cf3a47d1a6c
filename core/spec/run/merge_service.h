// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace longlora {

enum class MergeFormat { Safetensors, Gguf };

/// What `max_position_embeddings` says where a linear factor multiplies it.
enum class PositionLimit {
    Original,     ///< the base's, as LongLoRA leaves it: readers multiply by the factor
    TrainedLength ///< the extended context, for readers that take it as the context (llama.cpp)
};

struct MergeRequest {
    std::filesystem::path base;
    std::filesystem::path adapter;
    std::filesystem::path output; ///< a folder; Gguf: a file
    /// "fp32", "bf16", "f16", Gguf also "q8_0"; auto: as the base is stored
    std::string dtype = "auto";
    bool verify = true;
    MergeFormat format = MergeFormat::Safetensors;
    PositionLimit positions = PositionLimit::Original;
    double maxShardBytes = 5e9; ///< larger models get several weight files and an index
    bool replace = false;       ///< an existing output is kept beside it under another name
};

/// What a merge will do, found out before it starts.
struct MergePreview {
    std::int64_t tensors = 0;
    std::int64_t changedTensors = 0;
    std::int64_t files = 1;          ///< with weights
    double outputBytes = 0.0;        ///< of the weights as written
    double temporaryBytes = 0.0;     ///< beside them while it runs
    double freeBytes = 0.0;          ///< where the output goes
    double memoryBytes = 0.0;        ///< at most, about: merging, and verifying if asked for
    double availableMemory = 0.0;    ///< 0: not known
    bool fingerprintChecked = false; ///< the adapter names its base, and it is this one
    std::string fingerprint;         ///< of the base
    std::string dtype;
    std::string rope; ///< as it will be written, for people
    std::int64_t contextLength = 0;
    bool outputExists = false;
    double existingBytes = 0.0; ///< of the output that exists
};

/// The merged model beside what was trained: an adapter over a base in 4 bits, whose weights are
/// not those that the merge takes from the base's files.
struct QuantizationDrift {
    double maxAbsLogitError = 0.0;
    double meanAbsLogitError = 0.0;
    std::int64_t sameTopToken = 0;
    double trainedPerplexity = 0.0; ///< on the text of the comparison
    double mergedPerplexity = 0.0;
};

/// What a merge did and the proof that it did it right.
struct MergeReport {
    std::int64_t tensors = 0;
    std::int64_t mergedTensors = 0; ///< changed by LoRA or replaced by trained ones
    double bytes = 0.0;             ///< written
    std::int64_t files = 1;         ///< with weights
    bool verified = false;
    std::int64_t comparedTokens = 0; ///< length of the text whose logits were compared
    double maxAbsLogitError = 0.0;   ///< unmerged against merged, as written
    double meanAbsLogitError = 0.0;
    double maxAbsLogit = 0.0;               ///< to judge the error by
    std::int64_t sameTopToken = 0;          ///< positions whose most likely token agrees
    std::optional<QuantizationDrift> drift; ///< empty: the base was not in 4 bits
    bool rereadEqual = false;               ///< the file read back equals what was to be written
    std::string rope;                       ///< as written into config.json, for people
    std::string dtype;
    double mergeSeconds = 0.0;      ///< until all weights were on the disk
    double seconds = 0.0;           ///< all of it
    std::filesystem::path replaced; ///< where the older output lies now; empty: there was none
    double replacedBytes = 0.0;
};

/// Threading: both are called from a background thread and block.
class MergeService {
public:
    virtual ~MergeService() = default;
    /// Reads headers only. Throws: what merge() would, as far as it can be known beforehand;
    /// too little space or memory and an existing output are no errors here.
    virtual MergePreview examine(const MergeRequest& request) = 0;
    /// Throws: Error kinds; Cancelled when `progress` returns false.
    virtual MergeReport merge(const MergeRequest& request, const ProgressCallback& progress) = 0;
};

} // namespace longlora
