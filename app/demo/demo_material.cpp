// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_material.h"

#include "app/commands/model_options.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

RunConfig readDemoConfig(const fs::path& folder)
{
    RunConfig config = longlora::readRunConfig(folder / "run_config.json");
    config.model = (folder / config.model).lexically_normal().string();
    for (auto* files : {&config.data.train, &config.data.validation}) {
        for (std::string& file : *files) {
            file = (folder / file).lexically_normal().string();
        }
    }
    const ModelConfig model = readModelConfig(config.model);
    requireValid(config, &model);
    return config;
}

} // namespace

DemoMaterial readDemoMaterial(const fs::path& folder)
{
    if (folder.empty()) {
        throw DataError("the bundled demo was not found beside the program",
                        "Build it in its checkout, where resources/demo is.");
    }
    DemoMaterial material;
    material.folder = folder;
    material.config = readDemoConfig(folder);
    material.heldOut = readTextFile(folder / "heldout.txt");
    const fs::path tourFile = folder / "tour.json";
    const JsonObject tour =
        JsonObject::parse(readWholeFile(tourFile, std::uintmax_t{1} << 20), tourFile.string());
    material.document = readTextFile(folder / tour.text("document"));
    material.question = tour.text("question");
    material.expected = tour.text("expected");
    material.note = tour.textOr("note", {});
    return material;
}

} // namespace longlora::app
