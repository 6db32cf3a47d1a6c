// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/rail.h"

#include "ui/plots/plot_theme.h"
#include "ui/shell/tinted_icon.h"

#include <QButtonGroup>
#include <QCoreApplication>
#include <QEvent>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>

#include <array>

namespace longlora::ui {

namespace {

struct PageStyle {
    const char* name; ///< untranslated; the button is "rail" + name, the icon its lower case
    const char* icon;
};
constexpr std::array<PageStyle, kPageCount> kPages = {
    {{QT_TRANSLATE_NOOP("longlora::ui::Rail", "Home"), "home"},
     {QT_TRANSLATE_NOOP("longlora::ui::Rail", "Configure"), "configure"},
     {QT_TRANSLATE_NOOP("longlora::ui::Rail", "Monitor"), "monitor"},
     {QT_TRANSLATE_NOOP("longlora::ui::Rail", "Merge"), "merge"},
     {QT_TRANSLATE_NOOP("longlora::ui::Rail", "Chat"), "chat"},
     {QT_TRANSLATE_NOOP("longlora::ui::Rail", "Runs"), "runs"}}};

} // namespace

QString pageTitle(Page page)
{
    return QCoreApplication::translate("longlora::ui::Rail",
                                       kPages[static_cast<std::size_t>(page)].name);
}

Rail::Rail(QWidget* parent)
    : QWidget(parent)
    , m_buttons(new QButtonGroup(this))
{
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(4, 8, 4, 8);
    layout->setSpacing(2);
    const int width = fontMetrics().averageCharWidth() * 12;
    for (int i = 0; i < kPageCount; ++i) {
        const auto page = static_cast<Page>(i);
        auto* button = new QToolButton(this);
        button->setObjectName(QLatin1String("rail") +
                              QLatin1String(kPages[static_cast<std::size_t>(i)].name));
        button->setAccessibleName(pageTitle(page));
        button->setText(pageTitle(page));
        button->setToolTip(tr("%1 (Ctrl+%2)").arg(pageTitle(page)).arg(i + 1));
        button->setCheckable(true);
        button->setAutoRaise(true);
        button->setToolButtonStyle(Qt::ToolButtonTextUnderIcon);
        const int side = fontMetrics().height() * 3 / 2;
        button->setIconSize({side, side});
        button->setMinimumSize(width, fontMetrics().height() * 7 / 2);
        button->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
        m_buttons->addButton(button, i);
        layout->addWidget(button);
    }
    layout->addStretch();
    connect(m_buttons, &QButtonGroup::idClicked, this,
            [this](int id) { Q_EMIT chosen(static_cast<Page>(id)); });
    drawIcons();
}

void Rail::setCurrent(Page page)
{
    m_buttons->button(static_cast<int>(page))->setChecked(true);
}

void Rail::drawIcons()
{
    for (int i = 0; i < kPageCount; ++i) {
        m_buttons->button(i)->setIcon(
            tintedIcon(QLatin1String(kPages[static_cast<std::size_t>(i)].icon), palette()));
    }
}

void Rail::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange) {
        drawIcons();
    }
    QWidget::changeEvent(event);
}

void Rail::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setPen(PlotTheme(palette()).grid);
    painter.drawLine(width() - 1, 0, width() - 1, height());
}

} // namespace longlora::ui
