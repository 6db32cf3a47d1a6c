// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/token_gauge.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QPainter>

#include <algorithm>
#include <array>

namespace longlora::ui {

namespace {

struct Part {
    QString name;
    std::int64_t tokens;
    int colour;
};

std::array<Part, 4> partsOf(const TokenBudget& budget)
{
    return {{{TokenGauge::tr("document"), budget.document, PlotTheme::Blue},
             {TokenGauge::tr("history"), budget.history, PlotTheme::Orange},
             {TokenGauge::tr("question"), budget.question, PlotTheme::Green},
             {TokenGauge::tr("reserve"), budget.reserve, PlotTheme::Purple}}};
}

} // namespace

TokenGauge::TokenGauge(QWidget* parent)
    : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void TokenGauge::setBudget(const TokenBudget& budget)
{
    m_budget = budget;
    QString text = tr("%1 of %2 tokens").arg(countText(budget.used()), countText(budget.context));
    for (const Part& part : partsOf(budget)) {
        text += QLatin1String(", ") + part.name + u' ' + countText(part.tokens);
    }
    setAccessibleDescription(text);
    setToolTip(text);
    update();
}

QSize TokenGauge::sizeHint() const
{
    const int line = fontMetrics().height();
    return {line * 16, line * 4 + 14};
}

void TokenGauge::paintEvent(QPaintEvent*)
{
    const PlotTheme theme(palette());
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const int line = fontMetrics().height();

    const QString head =
        m_budget.context == 0 ? tr("Load a model to see its context")
        : m_budget.excess() > 0
            ? tr("%1 tokens too many").arg(countText(m_budget.excess()))
            : tr("%1 of %2 tokens").arg(countText(m_budget.used()), countText(m_budget.context));
    painter.setPen(m_budget.excess() > 0 && m_budget.context > 0
                       ? theme.bad
                       : palette().color(QPalette::WindowText));
    painter.drawText(QRect(0, 0, width(), line), Qt::AlignVCenter | Qt::AlignLeft, head);

    const QRectF bar(0.5, line + 4.5, width() - 1.0, line);
    painter.setPen(theme.grid);
    painter.setBrush(theme.background);
    painter.drawRect(bar);
    const double full =
        static_cast<double>(std::max<std::int64_t>({1, m_budget.context, m_budget.used()}));
    double x = bar.left();
    for (const Part& part : partsOf(m_budget)) {
        const double width = bar.width() * static_cast<double>(part.tokens) / full;
        painter.fillRect(QRectF(x, bar.top(), width, bar.height()), theme.series(part.colour));
        x += width;
    }
    if (m_budget.context > 0 && m_budget.excess() > 0) {
        const double limit =
            bar.left() + bar.width() * static_cast<double>(m_budget.context) / full;
        painter.fillRect(QRectF(limit, bar.top(), bar.right() - limit, bar.height()),
                         QBrush(theme.bad, Qt::BDiagPattern));
        painter.setPen(QPen(theme.text, 2));
        painter.drawLine(QPointF(limit, bar.top() - 3), QPointF(limit, bar.bottom() + 3));
    }
    paintLegend(painter, 2 * line + 10);
}

void TokenGauge::paintLegend(QPainter& painter, int top) const
{
    const PlotTheme theme(palette());
    const int line = fontMetrics().height();
    const int column = width() / 2;
    int index = 0;
    for (const Part& part : partsOf(m_budget)) {
        const int x = index % 2 * column;
        const int y = top + index / 2 * line;
        painter.fillRect(QRect(x, y + line / 4, line / 2, line / 2), theme.series(part.colour));
        painter.setPen(palette().color(QPalette::WindowText));
        painter.drawText(QRect(x + line * 3 / 4, y, column - line, line), Qt::AlignVCenter,
                         part.name + u' ' + countText(part.tokens));
        ++index;
    }
}

} // namespace longlora::ui
