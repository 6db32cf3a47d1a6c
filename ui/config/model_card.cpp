// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/model_card.h"

#include "core/spec/base/error.h"
#include "ui/text_format.h"

#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>

namespace longlora::ui {

namespace {

namespace fs = std::filesystem;

bool declaresChatTemplate(const fs::path& folder)
{
    std::error_code ignored;
    if (fs::exists(folder / "chat_template.jinja", ignored)) {
        return true;
    }
    QFile file(pathText(folder / "tokenizer_config.json"));
    if (!file.open(QIODevice::ReadOnly)) {
        return false;
    }
    constexpr qint64 kLimitBytes = 16 << 20;
    const auto object = QJsonDocument::fromJson(file.read(kLimitBytes)).object();
    return object.contains(QLatin1String("chat_template"));
}

double safetensorsBytes(const fs::path& folder)
{
    double bytes = 0.0;
    std::error_code problem;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, problem)) {
        if (entry.path().extension() == ".safetensors") {
            const auto size = entry.file_size(problem);
            bytes += problem ? 0.0 : static_cast<double>(size);
        }
    }
    return bytes;
}

} // namespace

ModelCard readModelCard(const fs::path& folder)
{
    ModelCard card;
    card.folder = folder;
    std::error_code problem;
    if (!fs::is_directory(folder, problem)) {
        card.problems.push_back(folder.string() +
                                " is not a folder; choose the one with config.json");
        return card;
    }
    if (!fs::exists(folder / "config.json", problem)) {
        card.problems.push_back(
            "config.json is missing: without it the model's shape is not known");
    } else {
        try {
            card.config = readModelConfig(folder);
        } catch (const Error& error) {
            card.problems.push_back(error.describe());
        }
    }
    try {
        card.tokenizer = loadTokenizer(folder);
        card.tokenizerName = countText(card.tokenizer->vocabularySize()).toStdString() + " pieces";
    } catch (const Error& error) {
        card.problems.push_back(error.describe());
    }
    card.weightBytes = safetensorsBytes(folder);
    if (card.weightBytes == 0.0) {
        card.problems.push_back("no .safetensors file: the weights are missing");
    }
    card.hasChatTemplate = declaresChatTemplate(folder);
    return card;
}

} // namespace longlora::ui
