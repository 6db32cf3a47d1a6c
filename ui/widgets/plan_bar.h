// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <QWidget>

#include <vector>

namespace longlora::ui {

/// The named parts of a memory plan, stacked, against what the device has. Areas differ by colour
/// and hatching; each part's tool tip is its formula. The list beneath it (PlanItemsModel) has the
/// same colours.
class PlanBar : public QWidget {
    Q_OBJECT

public:
    explicit PlanBar(QWidget* parent = nullptr);

    /// `memoryBytes`: of the device; 0 if not known.
    void setPlan(const std::vector<PlannedItem>& items, double memoryBytes);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;

private:
    double plannedBytes() const;
    /// Bytes the whole width stands for.
    double scaleBytes() const;
    QRectF barRect() const;
    /// Index of the item under `position`, or -1.
    int itemAt(const QPointF& position) const;

    std::vector<PlannedItem> m_items;
    double m_memoryBytes = 0.0;
};

} // namespace longlora::ui
