// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/import_panel.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/error_banner.h"
#include "ui/widgets/path_edit.h"

#include <QFormLayout>
#include <QLabel>
#include <QPainter>
#include <QProgressBar>
#include <QPushButton>
#include <QVBoxLayout>

namespace longlora::ui {

ImportPanel::ImportPanel(ConversionService& service, QWidget* parent)
    : QFrame(parent)
    , m_service(service)
    , m_text(named(new QLabel(this), "importText", tr("What is offered")))
    , m_output(
          new PathEdit(PathEdit::Kind::NewFolder, "importOutput", tr("New model folder"), this))
    , m_progress(named(new QProgressBar(this), "importProgress", tr("Progress of the import")))
    , m_start(named(new QPushButton(tr("Import"), this), "importStart", tr("Import the file")))
    , m_cancel(named(new QPushButton(tr("Cancel"), this), "importCancel", tr("Do not import")))
    , m_banner(new ErrorBanner("importProblem", this))
{
    named(this, "importPanel", tr("Import of a GGUF file"));
    layOut();
    connect(m_start, &QPushButton::clicked, this, &ImportPanel::start);
    connect(m_cancel, &QPushButton::clicked, this, &ImportPanel::cancel);
    connect(&m_job, &BackgroundJob::progressed, this, &ImportPanel::showProgress);
    connect(&m_job, &BackgroundJob::finished, this, &ImportPanel::showState);
    connect(&m_job, &BackgroundJob::failed, this, [this](const QString& why, const QString& hint) {
        m_banner->show({tr("The file was not imported"), why, hint, {}});
    });
    hide();
}

void ImportPanel::layOut()
{
    m_progress->setFormat(tr("%p %"));
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    auto* output = new QFormLayout;
    output->addRow(tr("New folder"), m_output);
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(m_progress, 1);
    buttons->addStretch();
    buttons->addWidget(m_cancel);
    buttons->addWidget(m_start);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(14, 8, 8, 8);
    layout->addWidget(m_banner);
    layout->addWidget(m_text);
    layout->addLayout(output);
    layout->addLayout(buttons);
}

bool ImportPanel::offer(const std::filesystem::path& file, const std::filesystem::path& output)
{
    if (isRunning()) {
        return false;
    }
    m_request.file = file;
    m_banner->clear();
    m_text->setText(tr("%1 is a GGUF file. To be trained, merged or asked, it is first made into a "
                       "Hugging Face folder that holds the very same numbers.")
                        .arg(pathText(file.filename())));
    m_text->setToolTip(pathText(file));
    m_output->setPath(pathText(output));
    m_progress->setRange(0, 0);
    showState();
    show();
    m_start->setFocus();
    return true;
}

void ImportPanel::start()
{
    m_request.output = toPath(m_output->path());
    m_banner->clear();
    m_progress->setRange(0, 0);
    m_job.run(
        [&service = m_service, request = m_request](const ProgressCallback& progress) {
            return service.importGguf(request, progress);
        },
        [this](const ConversionReport&) {
            hide();
            Q_EMIT imported(pathText(m_request.output));
        });
    showState();
}

void ImportPanel::cancel()
{
    if (isRunning()) {
        m_job.cancel();
    } else {
        hide();
    }
}

void ImportPanel::showProgress(const Progress& progress)
{
    // The bar counts in int: a thousandth is fine enough.
    constexpr int kSteps = 1000;
    m_progress->setRange(0, progress.total > 0 ? kSteps : 0);
    if (progress.total > 0) {
        m_progress->setValue(static_cast<int>(kSteps * progress.done / progress.total));
    }
}

void ImportPanel::showState()
{
    m_progress->setVisible(isRunning());
    m_start->setEnabled(!isRunning());
    m_output->setEnabled(!isRunning());
}

void ImportPanel::paintEvent(QPaintEvent* event)
{
    QFrame::paintEvent(event);
    constexpr int kStripeWidth = 4;
    const PlotTheme theme(palette());
    QPainter painter(this);
    painter.fillRect(rect(), blended(palette().color(QPalette::Window), theme.series(0), 0.10));
    painter.fillRect(QRect(0, 0, kStripeWidth, height()), theme.series(0));
}

} // namespace longlora::ui
