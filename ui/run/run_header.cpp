// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/run_header.h"

#include "ui/plots/plot_theme.h"
#include "ui/run/run_record.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QGridLayout>
#include <QLabel>
#include <QProgressBar>

namespace longlora::ui {

namespace {

QColor stateColour(const RunRecord& record, const PlotTheme& theme)
{
    if (record.finished) {
        return record.finished->outcome == RunOutcome::Completed ? theme.good
               : record.finished->outcome == RunOutcome::Stopped ? theme.warning
                                                                 : theme.bad;
    }
    return record.state == RunState::Running ? theme.series(PlotTheme::Blue) : theme.faintText;
}

QString setupText(const RunStarted& started)
{
    return RunHeader::tr("%1 · %2 · %3 · rows of %4")
        .arg(toQString(started.device), toQString(started.precision), toQString(started.attention),
             countText(started.rowTokens));
}

QString peakText(const RunRecord& record)
{
    if (record.peakBytes <= 0.0) {
        return QStringLiteral("–");
    }
    if (!record.started || record.started->plannedPeakBytes <= 0.0) {
        return bytesText(record.peakBytes);
    }
    const double planned = record.started->plannedPeakBytes;
    return RunHeader::tr("%1, plan %2 (%3)")
        .arg(bytesText(record.peakBytes), bytesText(planned),
             percentText(record.peakBytes / planned));
}

QString gpuText(const DeviceMeasured& gpu)
{
    QStringList parts;
    if (gpu.busy) {
        parts << RunHeader::tr("%1 busy").arg(percentText(*gpu.busy));
    }
    if (gpu.celsius) {
        parts << RunHeader::tr("%1 °C").arg(numberText(*gpu.celsius));
    }
    if (gpu.watts) {
        parts << RunHeader::tr("%1 W").arg(numberText(*gpu.watts));
    }
    parts << RunHeader::tr("%1 free").arg(bytesText(gpu.freeBytes));
    if (gpu.takenBytes > 0.0) {
        parts << RunHeader::tr("%1 of other programs").arg(bytesText(gpu.takenBytes));
    }
    return parts.join(QStringLiteral(" · "));
}

} // namespace

RunHeader::RunHeader(QWidget* parent)
    : QWidget(parent)
    , m_name(named(new QLabel(this), "monitorRunName", tr("Run")))
    , m_state(named(new QLabel(this), "monitorState", tr("State")))
    , m_setup(named(new QLabel(this), "monitorSetup", tr("Set-up of the run")))
    , m_progress(named(new QProgressBar(this), "monitorProgress", tr("Progress of the run")))
{
    QFont large = m_name->font();
    large.setPointSizeF(large.pointSizeF() * 1.25);
    large.setBold(true);
    m_name->setFont(large);
    QFont bold = m_state->font();
    bold.setBold(true);
    m_state->setFont(bold);
    setFaint(m_setup);
    m_progress->setTextVisible(false);
    m_progress->setFixedHeight(8);

    auto* title = new QHBoxLayout;
    title->setSpacing(14);
    title->addWidget(m_name);
    title->addWidget(m_state);
    title->addWidget(m_setup, 1);
    m_setup->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    // A long set-up must not widen the window.
    m_setup->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    auto* figures = new QHBoxLayout;
    figures->setSpacing(26);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(6);
    layout->addLayout(title);
    layout->addWidget(m_progress);
    layout->addLayout(figures);
    m_step = addFigure("monitorStep", tr("Step"));
    m_eta = addFigure("monitorEta", tr("Time"));
    m_rate = addFigure("monitorRate", tr("Speed"));
    m_loss = addFigure("monitorLoss", tr("Loss"));
    m_peak = addFigure("monitorPeak", tr("Peak memory"));
    m_gpu = addFigure("monitorGpu", tr("GPU"));
    figures->addStretch();
}

QLabel* RunHeader::addFigure(const char* objectName, const QString& caption)
{
    auto* figure = new QWidget(this);
    auto* value = named(new QLabel(figure), objectName, caption);
    value->setTextInteractionFlags(Qt::TextSelectableByMouse);
    auto* name = new QLabel(caption, figure);
    setFaint(name);
    auto* column = new QVBoxLayout(figure);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(name);
    column->addWidget(value);
    auto* figures = static_cast<QHBoxLayout*>(layout()->itemAt(2)->layout());
    figures->addWidget(figure);
    return value;
}

void RunHeader::show(const RunRecord& record, const QString& name, const QString& stateText)
{
    m_name->setText(name);
    m_state->setText(stateText);
    QPalette colours = palette();
    colours.setColor(QPalette::WindowText, stateColour(record, PlotTheme(palette())));
    m_state->setPalette(colours);
    m_setup->setText(record.started ? setupText(*record.started) : QString());
    m_setup->setToolTip(m_setup->text());

    const std::int64_t total = record.started ? record.started->totalSteps : 0;
    const std::int64_t step = record.currentStep();
    m_progress->setMaximum(static_cast<int>(std::max<std::int64_t>(total, 1)));
    m_progress->setValue(static_cast<int>(step));
    m_step->setText(total > 0 ? tr("%1 of %2").arg(countText(step), countText(total))
                              : QStringLiteral("–"));
    const std::optional<double> left = record.secondsLeft();
    m_eta->setText(record.finished ? tr("took %1").arg(durationText(record.finished->seconds))
                   : left          ? tr("%1 left").arg(durationText(*left))
                                   : QStringLiteral("–"));
    const double rate =
        record.finished ? record.finished->tokensPerSecond : record.latestTokensPerSecond();
    m_rate->setText(rate > 0.0 ? rateText(rate) : QStringLiteral("–"));
    const StepColumns& steps = record.steps;
    m_loss->setText(steps.loss.empty() ? QStringLiteral("–") : numberText(steps.loss.back()));
    m_peak->setText(peakText(record));
    m_gpu->setText(record.gpu ? gpuText(*record.gpu) : QString());
    m_gpu->parentWidget()->setVisible(record.gpu.has_value());
}

} // namespace longlora::ui
