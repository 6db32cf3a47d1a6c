// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_result.h"

#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "ui/models/merge_proof_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/table_style.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

MergeResult::MergeResult(QWidget* parent)
    : QGroupBox(tr("Proof"), parent)
    , m_verdict(named(new QLabel(this), "mergeVerdict", tr("Verdict")))
    , m_note(named(new QLabel(this), "mergeExplanation", tr("About the proof")))
    , m_proof(named(new QTableView(this), "mergeProof", tr("Proof of the merge")))
    , m_model(new MergeProofModel(this))
    , m_chat(named(new QPushButton(tr("Ope&n in chat"), this), "mergeChat",
                   tr("Chat with the merged model")))
    , m_undo(named(new QPushButton(this), "mergeUndo", tr("Bring back the other output")))
{
    QFont bold = m_verdict->font();
    bold.setBold(true);
    m_verdict->setFont(bold);
    for (QLabel* label : {m_verdict, m_note}) {
        label->setWordWrap(true);
    }
    setFaint(m_note);
    m_proof->setModel(m_model);
    styleTable(*m_proof);
    m_proof->horizontalHeader()->setStretchLastSection(true);
    m_proof->setMinimumHeight(m_proof->fontMetrics().height() * 10);
    connect(m_chat, &QPushButton::clicked, this,
            [this] { Q_EMIT chatRequested(pathText(m_request.output)); });
    connect(m_undo, &QPushButton::clicked, this, &MergeResult::exchange);

    auto* head = new QHBoxLayout;
    head->addWidget(m_verdict, 1);
    head->addWidget(m_undo);
    head->addWidget(m_chat);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(head);
    layout->addWidget(m_note);
    layout->addWidget(m_proof, 1);
    layout->addStretch();
    clear(tr("The merged model is written block by block and read back from the disk; a long text "
             "is run through both models and their logits are compared. The figures appear here."));
}

void MergeResult::clear(const QString& note)
{
    m_model->clear();
    m_verdict->clear();
    m_note->setText(note);
    m_kept.clear();
    m_hasReport = m_isUndone = false;
    updateButtons();
}

void MergeResult::showReport(const MergeRequest& request, const MergeReport& report)
{
    m_request = request;
    m_kept = report.replaced;
    m_keptBytes = report.replacedBytes;
    m_hasReport = true;
    m_isUndone = false;
    m_model->setReport(report);
    fitColumns(*m_proof);
    const PlotTheme theme(palette());
    const bool holds = proofHolds(report);
    QPalette colours = palette();
    colours.setColor(QPalette::WindowText, holds             ? theme.good
                                           : report.verified ? theme.bad
                                                             : theme.warning);
    m_verdict->setPalette(colours);
    m_verdict->setText(holds ? tr("Verified: the merged model answers as base + adapter do")
                       : report.verified ? tr("Merged, but the models differ: do not use it unseen")
                                         : tr("Merged, not verified"));
    const QString output = pathText(request.output);
    m_note->setText(m_kept.empty() ? tr("Written to %1").arg(output)
                                   : tr("Written to %1; the older output is kept as %2")
                                         .arg(output, pathText(m_kept.filename())));
    updateButtons();
}

void MergeResult::exchange()
{
    try {
        exchangePaths(m_request.output, m_kept);
    } catch (const Error& error) {
        Q_EMIT failed(tr("The outputs cannot be exchanged"), toQString(error.what()),
                      toQString(error.hint()));
        return;
    }
    m_isUndone = !m_isUndone;
    const QString output = pathText(m_request.output);
    const QString kept = pathText(m_kept.filename());
    m_note->setText(
        m_isUndone
            ? tr("%1 is the older output again; the merged model is kept as %2").arg(output, kept)
            : tr("%1 is the merged model; the older output is kept as %2").arg(output, kept));
    updateButtons();
    Q_EMIT exchanged();
}

void MergeResult::updateButtons()
{
    m_chat->setVisible(m_hasReport && !m_isUndone && m_request.format == MergeFormat::Safetensors);
    m_undo->setVisible(!m_kept.empty());
    m_undo->setText(
        m_isUndone ? tr("Re&do: take the merged model after all")
                   : tr("&Undo: bring back the older output (%1)").arg(bytesText(m_keptBytes)));
    m_verdict->setVisible(m_hasReport);
    m_proof->setVisible(m_model->rowCount() > 0);
}

} // namespace longlora::ui
