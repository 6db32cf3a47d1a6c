// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/theme/outlined_style.h"

#include "ui/plots/plot_theme.h"

#include <QPainter>
#include <QStyleOption>

namespace longlora::ui {

namespace {

void drawEdge(const QStyleOption& option, QPainter& painter, double radius)
{
    // Three to one against the window where it can be used.
    const bool isEnabled = (option.state & QStyle::State_Enabled) != 0;
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(blended(option.palette.color(QPalette::Window),
                           option.palette.color(QPalette::Active, QPalette::WindowText),
                           isEnabled ? 0.42 : 0.2));
    painter.drawRoundedRect(QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius);
    painter.restore();
}

} // namespace

OutlinedStyle::OutlinedStyle()
    : QProxyStyle(QStringLiteral("Fusion"))
{}

void OutlinedStyle::drawPrimitive(PrimitiveElement element, const QStyleOption* option,
                                  QPainter* painter, const QWidget* widget) const
{
    QProxyStyle::drawPrimitive(element, option, painter, widget);
    // Fusion draws the edge of a field with the focus in the highlight's colour.
    const bool isFocused = (option->state & State_HasFocus) != 0;
    if (element == PE_IndicatorCheckBox || element == PE_PanelMenu || element == PE_Frame) {
        drawEdge(*option, *painter, 0.0);
    } else if (element == PE_FrameLineEdit && !isFocused) {
        drawEdge(*option, *painter, 2.0);
    }
}

void OutlinedStyle::drawComplexControl(ComplexControl control, const QStyleOptionComplex* option,
                                       QPainter* painter, const QWidget* widget) const
{
    QProxyStyle::drawComplexControl(control, option, painter, widget);
    const bool isFocused = (option->state & State_HasFocus) != 0;
    if ((control == CC_SpinBox || control == CC_ComboBox) && !isFocused) {
        drawEdge(*option, *painter, 2.0);
    }
}

} // namespace longlora::ui
