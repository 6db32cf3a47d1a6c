// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/configure_page.h"

#include "core/spec/config/config_json.h"
#include "ui/config/config_form.h"
#include "ui/config/consequences_panel.h"
#include "ui/config/context_group.h"
#include "ui/config/data_group.h"
#include "ui/config/lora_group.h"
#include "ui/config/model_group.h"
#include "ui/config/training_groups.h"
#include "ui/models/data_files_model.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QScrollArea>
#include <QSplitter>
#include <QVBoxLayout>

namespace longlora::ui {

ConfigurePage::ConfigurePage(DeviceService& device, DryRunService* dryRun, ModelShelf& shelf,
                             QWidget* parent)
    : QWidget(parent)
    , m_shelf(shelf)
    , m_form(new ConfigForm(m_draft, this))
    , m_consequences(new ConsequencesPanel(m_draft, *m_form, dryRun, this))
    , m_scroll(named(new QScrollArea(this), "configureForm", tr("Options of the run")))
    , m_splitter(named(new QSplitter(this), "configureSplitter", tr("Form and consequences")))
{
    m_scroll->setWidget(makeForm());
    m_scroll->setWidgetResizable(true);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAsNeeded);

    m_splitter->addWidget(m_scroll);
    m_splitter->addWidget(m_consequences);
    m_splitter->setStretchFactor(0, 3);
    m_splitter->setStretchFactor(1, 2);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->setSizes({700, 460});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(12, 10, 12, 10);
    layout->addWidget(m_splitter);

    connect(m_consequences, &ConsequencesPanel::startRequested, this,
            &ConfigurePage::startRequested);
    m_measuring.run(
        [&device](const ProgressCallback&) { return device.measure(); },
        [this](std::vector<DeviceProfile> devices) { m_draft.setDevices(std::move(devices)); });
    connect(m_consequences, &ConsequencesPanel::copyRequested, this, &ConfigurePage::copyCommand);
}

QWidget* ConfigurePage::makeForm()
{
    auto* content = new QWidget(this);
    auto* layout = new QVBoxLayout(content);
    layout->setContentsMargins(0, 0, 8, 0);
    layout->setSpacing(12);
    auto* model = new ModelGroup(m_draft, *m_form, m_shelf, content);
    connect(model, &ModelGroup::openRequested, this, &ConfigurePage::openRequested);
    auto* dataGroup = new DataGroup(m_draft, *m_form, content);
    m_files = &dataGroup->files();
    layout->addWidget(model);
    layout->addWidget(new ContextGroup(m_draft, *m_form, content));
    layout->addWidget(new LoraGroup(m_draft, *m_form, content));
    layout->addWidget(dataGroup);
    layout->addWidget(new OptimisationGroup(*m_form, content));
    layout->addWidget(new DeviceGroup(m_draft, *m_form, content));
    layout->addStretch();
    return content;
}

void ConfigurePage::showModel(const QString& folder)
{
    m_draft.edit([&](RunConfig& config) { config.model = folder.toStdString(); });
    m_scroll->ensureVisible(0, 0);
}

void ConfigurePage::addTrainingFile(const QString& file)
{
    m_files->addFiles({file}, false);
}

void ConfigurePage::setObstacle(const QString& obstacle)
{
    m_consequences->setObstacle(obstacle);
}

void ConfigurePage::copyCommand()
{
    QGuiApplication::clipboard()->setText(toQString(trainCommandLine(m_draft.config())));
    Q_EMIT notice(tr("The command line is in the clipboard"));
}

} // namespace longlora::ui
