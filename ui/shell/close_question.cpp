// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/close_question.h"

#include "ui/widget_name.h"

#include <QPushButton>

namespace longlora::ui {

CloseQuestion::CloseQuestion(QWidget* parent)
    : QMessageBox(parent)
{
    setObjectName(QStringLiteral("closeQuestion"));
    setAttribute(Qt::WA_DeleteOnClose);
    setIcon(QMessageBox::Question);
    setWindowTitle(tr("A run is under way"));
    setText(tr("A run is under way. What shall become of it?"));
    setInformativeText(tr("Stopping writes a checkpoint and the adapter at the next step."));
    const auto add = [this](const char* objectName, const QString& label,
                            QMessageBox::ButtonRole role) {
        QPushButton* button = addButton(label, role);
        return named(button, objectName, QString(label).remove(u'&'));
    };
    QPushButton* keep = add("closeKeepRunning", tr("&Keep training, close when done"), AcceptRole);
    QPushButton* stop = add("closeStop", tr("&Stop and close"), DestructiveRole);
    QPushButton* cancel = add("closeCancel", tr("&Cancel"), RejectRole);
    setDefaultButton(cancel);
    setEscapeButton(cancel);
    connect(keep, &QPushButton::clicked, this, &CloseQuestion::keepRunning);
    connect(stop, &QPushButton::clicked, this, &CloseQuestion::stopAndClose);
}

} // namespace longlora::ui
