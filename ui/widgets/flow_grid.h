// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLayout>
#include <QList>

namespace longlora::ui {

/// Puts its items in as many equal columns as fit, row by row, so that a form uses a wide window
/// and still works with text at 200 %.
class FlowGrid : public QLayout {
    Q_OBJECT

public:
    /// `columnWidth`: the narrowest column, in pixels.
    explicit FlowGrid(int columnWidth, QWidget* parent = nullptr);
    ~FlowGrid() override;

    void addItem(QLayoutItem* item) override;
    int count() const override;
    QLayoutItem* itemAt(int index) const override;
    QLayoutItem* takeAt(int index) override;
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;
    QSize minimumSize() const override;
    QSize sizeHint() const override;
    void setGeometry(const QRect& rect) override;

private:
    int arrange(const QRect& rect, bool apply) const;

    int m_columnWidth;
    QList<QLayoutItem*> m_items;
};

/// A grid for FieldRows inside `owner`, with columns that fit a label and an editor.
FlowGrid* makeFieldGrid(const QWidget& owner);

} // namespace longlora::ui
