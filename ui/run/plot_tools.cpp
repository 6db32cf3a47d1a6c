// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/plot_tools.h"

#include "core/spec/base/atomic_file.h"
#include "ui/plots/run_plots.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSlider>

namespace longlora::ui {

namespace {

constexpr int kSmoothingSteps = 100;
constexpr int kSmoothingDefault = 80;

} // namespace

PlotTools::PlotTools(RunPlots& plots, QWidget* parent)
    : QWidget(parent)
    , m_plots(plots)
    , m_axis(named(new QComboBox(this), "monitorAxis", tr("Horizontal axis")))
    , m_smoothing(named(new QSlider(Qt::Horizontal, this), "monitorSmoothing", tr("Smoothing")))
    , m_logarithmic(named(new QCheckBox(tr("&Log loss"), this), "monitorLogLoss",
                          tr("Logarithmic loss axis")))
{
    m_axis->addItem(tr("by step"), static_cast<int>(RunAxis::Step));
    m_axis->addItem(tr("by tokens"), static_cast<int>(RunAxis::Tokens));
    m_axis->addItem(tr("by time"), static_cast<int>(RunAxis::Time));
    m_smoothing->setRange(0, kSmoothingSteps - 1);
    m_smoothing->setValue(kSmoothingDefault);
    m_smoothing->setFixedWidth(fontMetrics().averageCharWidth() * 18);
    auto* fit = named(new QPushButton(tr("Fit"), this), "monitorFit", tr("Fit the curves"));
    auto* save = named(new QPushButton(tr("E&xport"), this), "monitorExport",
                       tr("Export curves as PNG, SVG or CSV"));
    save->setToolTip(tr("Saves the curves as PNG or SVG, or the figures as CSV"));
    fit->setToolTip(tr("Shows the whole run; so does a double-click in the curves"));

    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_axis);
    layout->addSpacing(10);
    auto* label = new QLabel(tr("Smoothing"), this);
    label->setBuddy(m_smoothing);
    layout->addWidget(label);
    layout->addWidget(m_smoothing);
    layout->addSpacing(10);
    layout->addWidget(m_logarithmic);
    layout->addStretch();
    layout->addWidget(fit);
    layout->addWidget(save);

    connect(m_axis, &QComboBox::currentIndexChanged, this, [this] {
        m_plots.setAxis(static_cast<RunAxis>(m_axis->currentData().toInt()), record());
    });
    connect(m_smoothing, &QSlider::valueChanged, this, [this](int value) {
        m_plots.setSmoothing(static_cast<double>(value) / kSmoothingSteps, record());
    });
    connect(m_logarithmic, &QCheckBox::toggled, &m_plots, &RunPlots::setLogarithmicLoss);
    connect(fit, &QPushButton::clicked, &m_plots.plot(), &TimePlot::fit);
    connect(save, &QPushButton::clicked, this, &PlotTools::chooseExport);
    connect(&m_job, &BackgroundJob::failed, this, &PlotTools::exportFailed);
}

const RunRecord& PlotTools::record() const
{
    static const RunRecord kNone;
    return m_model != nullptr ? m_model->record() : kNone;
}

void PlotTools::chooseExport()
{
    auto* dialog = new QFileDialog(this, tr("Export"));
    dialog->setObjectName(QStringLiteral("monitorExportDialog"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setNameFilters({tr("Picture (*.png)"), tr("Drawing (*.svg)"), tr("Figures (*.csv)")});
    dialog->setDefaultSuffix(QStringLiteral("png"));
    connect(dialog, &QFileDialog::filterSelected, dialog, [dialog](const QString& filter) {
        dialog->setDefaultSuffix(filter.mid(filter.indexOf(u'.') + 1, 3));
    });
    connect(dialog, &QFileDialog::fileSelected, this, &PlotTools::exportTo);
    dialog->open();
}

void PlotTools::exportTo(const QString& file)
{
    const QString done = tr("Saved %1").arg(file);
    if (file.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive)) {
        m_job.run(
            [path = toPath(file), copy = record()](const ProgressCallback&) {
                writeFileAtomically(path, runToCsv(copy));
                return true;
            },
            [this, done](bool) { Q_EMIT notice(done); });
        return;
    }
    TimePlot& plot = m_plots.plot();
    const bool saved = file.endsWith(QLatin1String(".svg"), Qt::CaseInsensitive)
                           ? plot.saveSvg(file)
                           : plot.savePng(file);
    if (saved) {
        Q_EMIT notice(done);
    } else {
        Q_EMIT exportFailed(tr("%1 cannot be written").arg(file));
    }
}

} // namespace longlora::ui
