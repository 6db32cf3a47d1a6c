// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/tour/tour.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "ui/config/run_draft.h"

#include <QJsonDocument>
#include <QJsonObject>

namespace longlora::ui {

namespace {

constexpr std::uintmax_t kScriptLimitBytes = 1 << 20;

} // namespace

TourScript readTourScript(const std::filesystem::path& demoFolder)
{
    const std::filesystem::path file = demoFolder / "tour.json";
    const std::string text = readWholeFile(file, kScriptLimitBytes);
    QJsonParseError problem;
    const QJsonObject object =
        QJsonDocument::fromJson(QByteArray::fromStdString(text), &problem).object();
    if (problem.error != QJsonParseError::NoError) {
        throw FormatError(file.string(), "byte " + std::to_string(problem.offset),
                          problem.errorString().toStdString());
    }
    const auto read = [&](const char* key) {
        const QJsonValue value = object.value(QLatin1String(key));
        if (!value.isString()) {
            throw FormatError(file.string(), key, "must be a string");
        }
        return value.toString().toStdString();
    };
    TourScript script;
    script.document = demoFolder / read("document");
    script.question = read("question");
    script.expected = read("expected");
    script.note = read("note");
    script.config = withAbsolutePaths(readRunConfig(demoFolder / "run_config.json"), demoFolder);
    return script;
}

void Tour::begin(TourScript script)
{
    m_script = std::move(script);
    m_answer.clear();
    m_stage = Stage::Configure;
    Q_EMIT changed();
}

void Tour::skip()
{
    m_stage = Stage::Off;
    Q_EMIT changed();
}

void Tour::go(Stage from, Stage to)
{
    if (m_stage == from) {
        m_stage = to;
        Q_EMIT changed();
    }
}

void Tour::runStarted()
{
    go(Stage::Configure, Stage::Train);
}

void Tour::runEnded(bool usable)
{
    go(Stage::Train, usable ? Stage::Trained : Stage::Configure);
}

void Tour::mergeShown()
{
    go(Stage::Trained, Stage::Merge);
}

void Tour::merged()
{
    go(Stage::Merge, Stage::Merged);
}

void Tour::chatShown()
{
    go(Stage::Merged, Stage::Ask);
}

void Tour::answered(const QString& answer)
{
    if (m_stage == Stage::Ask) {
        m_answer = answer;
    }
    go(Stage::Ask, Stage::Answered);
}

} // namespace longlora::ui
