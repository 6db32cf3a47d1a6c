// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/error_banner.h"

#include "ui/plots/plot_theme.h"
#include "ui/widget_name.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QPainter>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

constexpr int kStripeWidth = 4;

QLabel* makeLabel(QWidget* parent)
{
    auto* label = new QLabel(parent);
    label->setWordWrap(true);
    label->setTextFormat(Qt::PlainText);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    return label;
}

void setOrHide(QLabel* label, const QString& text)
{
    label->setText(text);
    label->setVisible(!text.isEmpty());
}

} // namespace

ErrorBanner::ErrorBanner(const char* objectName, QWidget* parent)
    : QFrame(parent)
    , m_what(makeLabel(this))
    , m_why(makeLabel(this))
    , m_remedy(makeLabel(this))
    , m_details(new QPlainTextEdit(this))
    , m_actions(new QHBoxLayout)
{
    named(this, objectName, tr("Problem"));
    QFont bold = m_what->font();
    bold.setBold(true);
    m_what->setFont(bold);
    m_details->setObjectName(this->objectName() + QLatin1String("Text"));
    m_details->setAccessibleName(tr("Details of the problem"));
    m_details->setReadOnly(true);
    m_details->setMaximumHeight(fontMetrics().height() * 8);
    m_details->hide();

    m_detailsButton = makeButton("Details", tr("Details"));
    m_detailsButton->setCheckable(true);
    connect(m_detailsButton, &QToolButton::toggled, m_details, &QWidget::setVisible);
    QToolButton* copy = makeButton("Copy", tr("Copy"));
    connect(copy, &QToolButton::clicked, this,
            [this] { QGuiApplication::clipboard()->setText(text()); });
    QToolButton* dismiss = makeButton("Dismiss", tr("Dismiss"));
    connect(dismiss, &QToolButton::clicked, this, &ErrorBanner::clear);
    m_actions->addStretch();
    m_actions->addWidget(m_detailsButton);
    m_actions->addWidget(copy);
    m_actions->addWidget(dismiss);

    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(kStripeWidth + 10, 8, 8, 8);
    layout->setSpacing(3);
    layout->addWidget(m_what);
    layout->addWidget(m_why);
    layout->addWidget(m_remedy);
    layout->addWidget(m_details);
    layout->addLayout(m_actions);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    hide();
}

QToolButton* ErrorBanner::makeButton(const char* suffix, const QString& label)
{
    auto* button = new QToolButton(this);
    button->setObjectName(objectName() + QLatin1String(suffix));
    button->setAccessibleName(label);
    button->setText(label);
    button->setAutoRaise(true);
    return button;
}

void ErrorBanner::show(const Content& content)
{
    clear();
    m_what->setText(content.what);
    setOrHide(m_why, content.why);
    setOrHide(m_remedy, content.remedy);
    m_details->setPlainText(content.details);
    m_detailsButton->setVisible(!content.details.isEmpty());
    setAccessibleDescription(text());
    setVisible(true);
}

void ErrorBanner::addAction(const char* objectName, const QString& label,
                            std::function<void()> action)
{
    auto* button = named(new QPushButton(label, this), objectName, QString(label).remove(u'&'));
    connect(button, &QPushButton::clicked, this, std::move(action));
    m_actions->insertWidget(static_cast<int>(m_actionButtons.size()), button);
    m_actionButtons.append(button);
    button->show();
}

void ErrorBanner::clear()
{
    for (QWidget* button : std::as_const(m_actionButtons)) {
        button->hide();
        button->deleteLater();
    }
    m_actionButtons.clear();
    m_detailsButton->setChecked(false);
    hide();
}

QString ErrorBanner::text() const
{
    QStringList lines;
    for (const QString& line :
         {m_what->text(), m_why->text(), m_remedy->text(), m_details->toPlainText()}) {
        if (!line.isEmpty()) {
            lines.append(line);
        }
    }
    return lines.join(u'\n');
}

void ErrorBanner::paintEvent(QPaintEvent*)
{
    const PlotTheme theme(palette());
    QPainter painter(this);
    painter.fillRect(rect(), blended(palette().color(QPalette::Window), theme.bad, 0.13));
    painter.fillRect(QRect(0, 0, kStripeWidth, height()), theme.bad);
}

} // namespace longlora::ui
