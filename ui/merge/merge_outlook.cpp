// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_outlook.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QFormLayout>
#include <QLabel>

namespace longlora::ui {

namespace {

QString spaceText(const MergePreview& preview)
{
    const QString free = bytesText(preview.freeBytes);
    return preview.temporaryBytes > 0.0
               ? MergeOutlook::tr("%1, and %2 while it runs; %3 are free")
                     .arg(bytesText(preview.outputBytes), bytesText(preview.temporaryBytes), free)
               : MergeOutlook::tr("%1 of %2 that are free")
                     .arg(bytesText(preview.outputBytes), free);
}

QString memoryText(const MergeRequest& request, const MergePreview& preview)
{
    const QString needed = bytesText(preview.memoryBytes);
    const QString what = request.verify ? MergeOutlook::tr("about %1, most of it for verifying")
                                        : MergeOutlook::tr("about %1");
    return preview.availableMemory > 0.0
               ? MergeOutlook::tr("%1; %2 are free")
                     .arg(what.arg(needed), bytesText(preview.availableMemory))
               : what.arg(needed);
}

QString fingerprintText(const MergePreview& preview)
{
    const QString start = toQString(preview.fingerprint).left(12);
    return preview.fingerprintChecked
               ? MergeOutlook::tr("%1: the base the adapter was trained on").arg(start)
               : MergeOutlook::tr("%1; the adapter does not say which base it was trained on, its "
                                  "shapes fit")
                     .arg(start);
}

QString writesText(const MergePreview& preview)
{
    return MergeOutlook::tr(
               "%1 tensors as %2 in %3, %4 of them changed; rope %5, context %6 tokens")
        .arg(countText(preview.tensors), toQString(preview.dtype),
             preview.files == 1 ? MergeOutlook::tr("one file")
                                : MergeOutlook::tr("%1 files").arg(countText(preview.files)),
             countText(preview.changedTensors), toQString(preview.rope),
             countText(preview.contextLength));
}

} // namespace

MergeOutlook::MergeOutlook(MergeService& service, QWidget* parent)
    : QGroupBox(tr("Before it starts"), parent)
    , m_service(service)
{
    auto* form = new QFormLayout(this);
    form->setRowWrapPolicy(QFormLayout::WrapLongRows);
    m_writes = addFact("mergeWrites", tr("Writes"));
    m_space = addFact("mergeSpace", tr("Space"));
    m_memory = addFact("mergeMemory", tr("Memory"));
    m_fingerprint = addFact("mergeFingerprint", tr("Fingerprint"));
    m_adapter = addFact("mergeAdapterAlone", tr("Adapter alone"));
    m_problem = named(new QLabel(this), "mergeObstacle", tr("What stands in the way"));
    m_problem->setWordWrap(true);
    form->addRow(m_problem);
    connect(&m_job, &BackgroundJob::failed, this, [this](const QString& what, const QString& hint) {
        showProblem(hint.isEmpty() ? what : what + QLatin1String(". ") + hint);
        Q_EMIT settled();
    });
}

QLabel* MergeOutlook::addFact(const char* objectName, const QString& title)
{
    auto* label = named(new QLabel(this), objectName, title);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    label->setFocusPolicy(Qt::NoFocus);
    static_cast<QFormLayout*>(layout())->addRow(title, label);
    return label;
}

void MergeOutlook::wait(const QString& missing)
{
    m_hopeless = false;
    m_job.cancel();
    clearFacts();
    setFact(*m_problem, missing, false);
    m_problem->setVisible(true);
}

void MergeOutlook::examine(const MergeRequest& request)
{
    m_hopeless = false;
    m_job.run([&service = m_service,
               request](const ProgressCallback&) { return service.examine(request); },
              [this, request](const MergePreview& preview) {
                  showPreview(request, preview);
                  Q_EMIT examined(preview);
                  Q_EMIT settled();
              });
}

void MergeOutlook::setFact(QLabel& label, const QString& text, bool isObstacle)
{
    QPalette colours = palette();
    if (isObstacle) {
        colours.setColor(QPalette::WindowText, PlotTheme(palette()).bad);
    }
    label.setPalette(colours);
    label.setText(text);
}

void MergeOutlook::clearFacts()
{
    for (QLabel* label : {m_writes, m_space, m_memory, m_fingerprint, m_adapter}) {
        setFact(*label, QStringLiteral("-"), false);
    }
}

void MergeOutlook::showPreview(const MergeRequest& request, const MergePreview& preview)
{
    const bool isFull = preview.outputBytes + preview.temporaryBytes > preview.freeBytes;
    const bool isShort =
        preview.availableMemory > 0.0 && preview.memoryBytes > preview.availableMemory;
    const bool isTaken = preview.outputExists && !request.replace;
    m_hopeless = isFull || isShort || isTaken;
    setFact(*m_writes, writesText(preview), false);
    setFact(*m_space, spaceText(preview), isFull);
    setFact(*m_memory, memoryText(request, preview), isShort);
    setFact(*m_fingerprint, fingerprintText(preview), false);
    setFact(*m_adapter, tr("is in PEFT's form already: %1").arg(pathText(request.adapter)), false);
    const QString problem =
        isTaken && request.output == m_written
            ? tr("The output has just been written. To merge again, choose another name, or have "
                 "it replaced.")
        : isTaken ? tr("The output exists already. Choose another name, or have it replaced.")
        : isFull  ? tr("There is too little space. Free some, or choose another folder.")
        : isShort ? tr("There is too little memory. Free some, or merge without verification.")
                  : QString();
    setFact(*m_problem, problem, isFull || isShort);
    m_problem->setVisible(!problem.isEmpty());
}

void MergeOutlook::showProblem(const QString& problem)
{
    m_hopeless = true;
    clearFacts();
    setFact(*m_problem, problem, true);
    m_problem->setVisible(true);
}

} // namespace longlora::ui
