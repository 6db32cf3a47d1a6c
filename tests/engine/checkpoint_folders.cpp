// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/checkpoint_folders.h"

#include "core/engine/checkpoint/adapter_origin.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/safetensors.h"
#include "tests/engine/safetensors_text.h"
#include "tests/support/golden_model.h"

#include <stdexcept>

namespace longlora::test {

namespace fs = std::filesystem;

NamedTensors goldenWeights(const std::string& model)
{
    NamedTensors weights;
    for (const auto& item : fs::directory_iterator(golden("models/" + model))) {
        if (item.path().extension() == ".safetensors") {
            const auto file = SafetensorsFile::open(item.path());
            for (const auto& [name, entry] : file.entries()) {
                weights[name] = file.tensor(name).clone();
            }
        }
    }
    return weights;
}

void copyGolden(const std::string& relative, const fs::path& to)
{
    fs::create_directories(to);
    for (const auto& item : fs::directory_iterator(golden(relative))) {
        if (item.is_regular_file()) {
            writeBytes(to / item.path().filename(), readBytes(item.path()));
        }
    }
}

void writeModelFolder(const fs::path& folder, const std::string& configOf,
                      const NamedTensors& weights)
{
    fs::create_directories(folder);
    writeBytes(folder / "config.json", readBytes(golden("models/" + configOf + "/config.json")));
    writeSafetensors(folder / "model.safetensors", weights);
}

void editText(const fs::path& file, const std::string& what, const std::string& with)
{
    std::string text = readBytes(file);
    const std::size_t at = text.find(what);
    if (at == std::string::npos) {
        throw std::runtime_error(file.string() + " does not hold " + what);
    }
    writeBytes(file, text.replace(at, what.size(), with));
}

void writeTiedModel(const fs::path& folder)
{
    NamedTensors weights = goldenWeights("llama-mha");
    weights.erase("lm_head.weight");
    writeModelFolder(folder, "llama-mha", weights);
    editText(folder / "config.json", "\"tie_word_embeddings\": false",
             "\"tie_word_embeddings\": true");
}

void writeTrainedAdapter(const TrainedAdapter& trained, const fs::path& folder)
{
    copyGolden("training/" + trained.name + "/final_adapter", folder);
    const fs::path base = golden("models/" + trained.base);
    AdapterOrigin origin;
    origin.baseRope = readModelConfig(base).rope;
    origin.rope = origin.baseRope;
    if (trained.linearFactor > 0.0) {
        origin.rope.kind = RopeKind::Linear;
        origin.rope.factor = trained.linearFactor;
    }
    origin.contextLength = 128;
    origin.fingerprint = baseFingerprint(base);
    writeAdapterOrigin(folder, origin);
}

} // namespace longlora::test
