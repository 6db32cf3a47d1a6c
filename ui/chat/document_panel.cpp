// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/document_panel.h"

#include "ui/chat/chat_session.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/token_gauge.h"

#include <QFileDialog>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

namespace longlora::ui {

DocumentPanel::DocumentPanel(ChatSession& session, QWidget* parent)
    : QGroupBox(tr("Texts"), parent)
    , m_session(session)
    , m_list(named(new QListWidget(this), "chatDocuments", tr("Attached texts")))
    , m_remove(named(new QPushButton(tr("Re&move"), this), "chatRemoveDocument",
                     tr("Remove the selected text")))
    , m_gauge(named(new TokenGauge(this), "chatGauge", tr("Use of the context")))
{
    auto* attach =
        named(new QPushButton(tr("&Attach a text"), this), "chatAttach", tr("Attach a text"));
    m_list->setWordWrap(true);
    m_list->setFixedHeight(m_list->fontMetrics().height() * 5);
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(attach);
    buttons->addWidget(m_remove);
    buttons->addStretch();
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(m_list);
    layout->addLayout(buttons);
    layout->addWidget(m_gauge);

    connect(attach, &QPushButton::clicked, this, &DocumentPanel::chooseFiles);
    connect(m_remove, &QPushButton::clicked, this,
            [this] { m_session.removeDocument(m_list->currentRow()); });
    connect(m_list, &QListWidget::currentRowChanged, this,
            [this](int row) { m_remove->setEnabled(row >= 0 && !m_session.isBusy()); });
    connect(&session, &ChatSession::documentsChanged, this, &DocumentPanel::showDocuments);
    connect(&session, &ChatSession::stateChanged, this,
            [this] { m_remove->setEnabled(m_list->currentRow() >= 0 && !m_session.isBusy()); });
    connect(&session, &ChatSession::budgetChanged, this,
            [this] { m_gauge->setBudget(m_session.budget()); });
    showDocuments();
}

void DocumentPanel::chooseFiles()
{
    auto* dialog = new QFileDialog(this, tr("Attach a text"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFiles);
    dialog->setNameFilters({tr("Texts (*.txt *.md)"), tr("All files (*)")});
    connect(dialog, &QFileDialog::filesSelected, &m_session, &ChatSession::attach);
    dialog->open();
}

void DocumentPanel::showDocuments()
{
    const int current = m_list->currentRow();
    m_list->clear();
    int index = 0;
    for (const ChatDocument& document : m_session.documents()) {
        const QString name = pathText(std::filesystem::path(document.path).filename());
        const auto tokens = m_session.documentTokens(index++);
        auto* item = new QListWidgetItem(
            tokens ? tr("%1 · %2 tokens").arg(name, countText(*tokens)) : name, m_list);
        item->setToolTip(toQString(document.path));
    }
    m_list->setCurrentRow(current < m_list->count() ? current : -1);
    m_remove->setEnabled(m_list->currentRow() >= 0 && !m_session.isBusy());
}

} // namespace longlora::ui
