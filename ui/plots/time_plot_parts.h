// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/plots/time_plot.h"

#include <optional>
#include <utility>
#include <vector>

class QCPAxisRect;
class QCPGraph;
class QCPItemStraightLine;
class QCPItemText;
class QCPMarginGroup;

namespace longlora::ui {

/// What a TimePlot is made of; shared by its drawing and its interaction.
struct TimePlot::Parts {
    struct PanelParts {
        Panel panel;
        QCPAxisRect* rect;
        QCPItemText* readout; ///< the panel's title and, under the cursor, its values
        QCPItemStraightLine* cursor;
        bool logarithmic = false;
    };
    struct SeriesParts {
        Series series;
        QCPGraph* graph;
    };
    using Range = std::pair<double, double>;

    std::vector<PanelParts> panels;
    std::vector<SeriesParts> series;
    QCPMarginGroup* margins = nullptr;
    QCPItemText* hint = nullptr;
    AxisFormat keyFormat = AxisFormat::Number;
    QString keyLabel;
    std::optional<double> cursor;
    std::optional<double> dragFrom; ///< key that was grabbed
    bool redrawPending = false;

    /// The keys now shown.
    Range keys() const;
    /// From the first to the last point of all series.
    std::optional<Range> allKeys() const;
};

} // namespace longlora::ui
