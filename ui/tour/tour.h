// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <QObject>

#include <filesystem>
#include <string>

namespace longlora::ui {

/// tour.json of the demo folder, and the run that the tour trains.
struct TourScript {
    std::filesystem::path document; ///< the text that is asked about
    std::string question;           ///< a beginning that the model completes
    std::string expected;           ///< what a model with the longer context finds
    std::string note;               ///< how small the model is and what it can answer
    RunConfig config;
};

/// Throws: DataError, ConfigError, FormatError naming the file.
TourScript readTourScript(const std::filesystem::path& demoFolder);

/// Where the tour stands. It only follows what happens: the pages do the work.
class Tour : public QObject {
    Q_OBJECT

public:
    enum class Stage {
        Off,
        Configure, ///< step 1: the demo is filled in
        Train,     ///< step 2: the run goes on
        Trained,   ///< step 2: the run has ended well
        Merge,     ///< step 3: the merge is filled in or goes on
        Merged,    ///< step 3: there is a model
        Ask,       ///< step 3: model, text and question wait
        Answered   ///< the end
    };

    using QObject::QObject;

    void begin(TourScript script);
    void skip();
    Stage stage() const { return m_stage; }
    bool isOn() const { return m_stage != Stage::Off; }
    const TourScript& script() const { return m_script; }
    /// The answer that the tour ended with.
    const QString& answer() const { return m_answer; }

    void runStarted();
    /// `usable`: there is an adapter to merge.
    void runEnded(bool usable);
    void mergeShown();
    void merged();
    void chatShown();
    void answered(const QString& answer);

Q_SIGNALS:
    void changed();

private:
    void go(Stage from, Stage to);

    Stage m_stage = Stage::Off;
    TourScript m_script;
    QString m_answer;
};

} // namespace longlora::ui
