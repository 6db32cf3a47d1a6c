// SPDX-License-Identifier: GPL-3.0-or-later
// longlora-workbench: the window over the engine.
#include "app/commands/processor.h"
#include "app/conversion_service.h"
#include "app/demo/demo_folder.h"
#include "app/device_service.h"
#include "app/dry_run_service.h"
#include "app/in_process_training.h"
#include "app/merge_service.h"
#include "app/resource_folder.h"
#include "app/version.h"
#include "core/engine/infer/chat_session.h"
#include "core/engine/tensor/prepare_compute.h"
#include "core/spec/run/run_list.h"
#include "ui/main_window.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QSettings>
#include <QTimer>

#include <filesystem>

namespace {

struct Arguments {
    bool demo = false;
    std::filesystem::path path; ///< empty: nothing to open
};

Arguments readArguments(const QApplication& application)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QApplication::translate(
        "main", "Extends the context of language models with LongLoRA, and shows it happen."));
    parser.addHelpOption();
    parser.addVersionOption();
    const QCommandLineOption demo(QStringLiteral("demo"),
                                  QApplication::translate("main", "begins the tour of the demo"));
    parser.addOption(demo);
    parser.addPositionalArgument(
        QStringLiteral("path"),
        QApplication::translate(
            "main", "model, adapter or run folder, GGUF file, text or data file to open"),
        QStringLiteral("[path]"));
    parser.process(application);
    const QStringList paths = parser.positionalArguments();
    return {parser.isSet(demo), paths.isEmpty()
                                    ? std::filesystem::path()
                                    : std::filesystem::path(paths.first().toStdString())};
}

} // namespace

int main(int argc, char** argv)
{
    using namespace longlora;
    prepareEnvironment();
    QApplication::setOrganizationName(QStringLiteral("longlora-workbench"));
    QApplication::setApplicationName(QStringLiteral("longlora-workbench"));
    QApplication::setApplicationDisplayName(QStringLiteral("LongLoRA Workbench"));
    QApplication::setApplicationVersion(QLatin1String(app::kVersion));
    QApplication application(argc, argv);
    const Arguments arguments = readArguments(application);
    app::prepareProcessor();

    QSettings settings;
    const auto training = app::makeInProcessTraining();
    const auto chat = makeChatSession();
    const auto merge = app::makeMergeService();
    const auto device = app::makeDeviceService();
    const auto dryRun = app::makeDryRunService();
    const auto conversion = app::makeConversionService();
    const Services services{*training, *chat, *merge, *device, *conversion};
    const ui::Environment environment{app::findDemoFolder(), defaultRunsFolder(), settings,
                                      readPresets(app::findPresets()), dryRun.get()};
    ui::MainWindow window(services, environment);
    window.show();
    // Once the window is there and can say what is wrong.
    QTimer::singleShot(0, &window, [&] {
        if (arguments.demo) {
            window.beginTour();
        } else if (!arguments.path.empty()) {
            window.openPath(std::filesystem::absolute(arguments.path));
        }
    });
    const int status = QApplication::exec();
    training->stopAndWait();
    return status;
}
