// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/merge_page.h"

#include "ui/models/merge_proof_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/error_banner.h"
#include "ui/widgets/path_edit.h"
#include "ui/widgets/table_style.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFormLayout>
#include <QGroupBox>
#include <QHeaderView>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

MergePage::MergePage(MergeService& service, QWidget* parent)
    : QWidget(parent)
    , m_service(service)
    , m_banner(new ErrorBanner("mergeProblem", this))
    , m_proofModel(new MergeProofModel(this))
{
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(20, 16, 20, 14);
    layout->setSpacing(12);
    layout->addWidget(m_banner);
    layout->addWidget(makeForm());
    layout->addWidget(makeResult(), 1);

    connect(&m_job, &BackgroundJob::progressed, this, [this](const Progress& progress) {
        const int percent =
            progress.total > 0 ? static_cast<int>(100 * progress.done / progress.total) : 0;
        m_progress->setRange(0, progress.total > 0 ? 100 : 0);
        m_progress->setValue(percent);
        m_progress->setFormat(toQString(progress.phase) + QLatin1String("  %p %"));
    });
    connect(&m_job, &BackgroundJob::failed, this, [this](const QString& what, const QString& hint) {
        m_banner->show({tr("The merge failed; nothing was written"), what, hint, {}});
    });
    connect(&m_job, &BackgroundJob::cancelled, this,
            [this] { m_explanation->setText(tr("Cancelled; nothing was written.")); });
    connect(&m_job, &BackgroundJob::finished, this, &MergePage::updateControls);
    updateControls();
}

QWidget* MergePage::makeForm()
{
    auto* box = new QGroupBox(tr("What to merge"), this);
    using Kind = PathEdit::Kind;
    m_base = new PathEdit(Kind::ExistingFolder, "mergeBase", tr("Base model folder"), box);
    m_adapter = new PathEdit(Kind::ExistingFolder, "mergeAdapter", tr("Adapter folder"), box);
    m_output = new PathEdit(Kind::NewFolder, "mergeOutput", tr("Output folder"), box);
    m_base->setPlaceholder(tr("Hugging Face folder the adapter was trained on"));
    m_adapter->setPlaceholder(tr("adapter folder of a finished run"));
    m_output->setPlaceholder(tr("a new folder for the merged model"));
    m_dtype = named(new QComboBox(box), "mergeDtype", tr("Stored as"));
    m_dtype->addItem(tr("as the base is stored"), QStringLiteral("auto"));
    for (const char* type : {"bf16", "f16", "fp32"}) {
        m_dtype->addItem(QLatin1String(type), QLatin1String(type));
    }
    m_verify = named(new QCheckBox(tr("Verif&y: compare logits with the unmerged model"), box),
                     "mergeVerify", tr("Verify the merge"));
    m_verify->setChecked(true);
    m_start = named(new QPushButton(tr("&Merge"), box), "mergeStart", tr("Merge"));
    m_cancel = named(new QPushButton(tr("C&ancel"), box), "mergeCancel", tr("Cancel the merge"));
    m_progress = named(new QProgressBar(box), "mergeProgress", tr("Progress of the merge"));

    auto* form = new QFormLayout(box);
    form->addRow(tr("Base"), m_base);
    form->addRow(tr("Adapter"), m_adapter);
    form->addRow(tr("Output"), m_output);
    auto* options = new QHBoxLayout;
    options->addWidget(m_dtype);
    options->addSpacing(16);
    options->addWidget(m_verify);
    options->addStretch();
    form->addRow(tr("Stored as"), options);
    auto* action = new QHBoxLayout;
    action->addWidget(m_start);
    action->addWidget(m_cancel);
    action->addWidget(m_progress, 1);
    action->addStretch();
    form->addRow(action);

    for (PathEdit* edit : {m_base, m_adapter, m_output}) {
        connect(edit, &PathEdit::pathChanged, this, &MergePage::updateControls);
    }
    connect(m_adapter, &PathEdit::pathChanged, this,
            [this](const QString& adapter) { setPaths({}, adapter); });
    connect(m_start, &QPushButton::clicked, this, &MergePage::start);
    connect(m_cancel, &QPushButton::clicked, &m_job, &BackgroundJob::cancel);
    return box;
}

QWidget* MergePage::makeResult()
{
    auto* box = new QGroupBox(tr("Proof"), this);
    m_verdict = named(new QLabel(box), "mergeVerdict", tr("Verdict"));
    QFont bold = m_verdict->font();
    bold.setBold(true);
    m_verdict->setFont(bold);
    m_explanation = named(new QLabel(box), "mergeExplanation", tr("About the proof"));
    m_explanation->setWordWrap(true);
    m_explanation->setText(tr("The merged model is written tensor by tensor, then a long text is "
                              "run through both models and their logits are compared. The figures "
                              "appear here."));
    setFaint(m_explanation);
    m_proof = named(new QTableView(box), "mergeProof", tr("Proof of the merge"));
    m_proof->setModel(m_proofModel);
    styleTable(*m_proof);
    m_proof->horizontalHeader()->setStretchLastSection(true);
    m_chat = named(new QPushButton(tr("Chat &with it"), box), "mergeChat",
                   tr("Chat with the merged model"));
    connect(m_chat, &QPushButton::clicked, this, [this] { Q_EMIT chatRequested(m_mergedFolder); });

    auto* foot = new QHBoxLayout;
    foot->addWidget(m_verdict, 1);
    foot->addWidget(m_chat);
    auto* layout = new QVBoxLayout(box);
    layout->addLayout(foot);
    layout->addWidget(m_explanation);
    layout->addWidget(m_proof, 1);
    layout->addStretch();
    return box;
}

void MergePage::setPaths(const QString& base, const QString& adapter)
{
    if (!base.isEmpty()) {
        m_base->setPath(base);
    }
    if (!adapter.isEmpty()) {
        m_adapter->setPath(adapter);
        // The adapter of a run lies in the run's folder; the model is put beside it.
        const auto folder = toPath(adapter).lexically_normal();
        m_output->setPath(pathText(folder.parent_path() / "merged"));
    }
    updateControls();
}

void MergePage::start()
{
    m_banner->clear();
    m_proofModel->clear();
    m_mergedFolder.clear();
    m_verdict->clear();
    m_explanation->setText(tr("Merging into %1").arg(m_output->path()));
    const MergeRequest request{
        toPath(m_base->path()), toPath(m_adapter->path()), toPath(m_output->path()),
        m_dtype->currentData().toString().toStdString(), m_verify->isChecked()};
    m_progress->setRange(0, 0);
    m_job.run([&service = m_service, request](
                  const ProgressCallback& progress) { return service.merge(request, progress); },
              [this, folder = m_output->path()](const MergeReport& report) {
                  m_mergedFolder = folder;
                  showReport(report);
                  Q_EMIT merged(folder);
              });
    updateControls();
}

void MergePage::showReport(const MergeReport& report)
{
    m_proofModel->setReport(report);
    fitColumns(*m_proof);
    const PlotTheme theme(palette());
    const bool holds = proofHolds(report);
    QPalette colours = m_verdict->palette();
    colours.setColor(QPalette::WindowText, holds             ? theme.good
                                           : report.verified ? theme.bad
                                                             : theme.warning);
    m_verdict->setPalette(colours);
    m_verdict->setText(holds ? tr("Verified: the merged model answers as base + adapter do")
                       : report.verified ? tr("Merged, but the models differ: do not use it unseen")
                                         : tr("Merged, not verified"));
    m_explanation->setText(tr("Written to %1").arg(m_mergedFolder));
    updateControls();
}

void MergePage::updateControls()
{
    const bool running = m_job.isRunning();
    const bool complete =
        !m_base->path().isEmpty() && !m_adapter->path().isEmpty() && !m_output->path().isEmpty();
    m_start->setEnabled(complete && !running);
    m_cancel->setVisible(running);
    m_progress->setVisible(running);
    m_chat->setVisible(!m_mergedFolder.isEmpty());
    m_proof->setVisible(m_proofModel->rowCount() > 0);
    for (QWidget* widget : {static_cast<QWidget*>(m_base), static_cast<QWidget*>(m_adapter),
                            static_cast<QWidget*>(m_output), static_cast<QWidget*>(m_dtype),
                            static_cast<QWidget*>(m_verify)}) {
        widget->setEnabled(!running);
    }
}

} // namespace longlora::ui
