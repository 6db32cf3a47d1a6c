// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QBrush>
#include <QColor>
#include <QPen>

class QPalette;
class QWidget;

namespace longlora::ui {

/// Colours of everything the window draws itself, derived from the palette in force, so that light,
/// dark and high-contrast desktops are followed. The series colours are told apart with every kind
/// of colour vision; lines also differ by pattern and areas by hatching.
/// Source: Okabe and Ito 2008, "Color Universal Design", fig. 16.
struct PlotTheme {
    explicit PlotTheme(const QPalette& palette);

    enum Series { Blue, Orange, Green, Purple, SkyBlue, Yellow, Vermillion, Grey, kSeriesCount };
    QColor series(int index) const;
    /// Solid for the first pass through the colours, dashed for the next.
    Qt::PenStyle linePattern(int index) const;
    /// The area colour, hatched for every other index, sparsely for the next pass.
    QBrush area(int index) const;

    bool isDark;
    QColor background;
    QColor text;
    QColor faintText; ///< still at least 4.5 : 1 against the background
    QColor grid;
    QColor good;
    QColor warning;
    QColor bad;
};

/// `base` with `amount` in [0, 1] of `tint` mixed in: quiet backgrounds.
QColor blended(const QColor& base, const QColor& tint, double amount);

/// Paints labels of `widget` that explain rather than state in the theme's faint text colour.
void setFaint(QWidget* widget);

} // namespace longlora::ui
