// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <cstdint>

namespace longlora::ui {

/// What a prompt is made of, in tokens, against what the model can read.
struct TokenBudget {
    std::int64_t context = 0; ///< 0: no model yet
    std::int64_t document = 0;
    std::int64_t history = 0;
    std::int64_t question = 0;
    std::int64_t reserve = 0; ///< kept for the answer

    std::int64_t used() const { return document + history + question + reserve; }
    std::int64_t excess() const { return used() > context ? used() - context : 0; }
};

/// A bar: document | history | question | reserve, against the model's context.
class TokenGauge : public QWidget {
    Q_OBJECT

public:
    explicit TokenGauge(QWidget* parent = nullptr);
    void setBudget(const TokenBudget& budget);
    const TokenBudget& budget() const { return m_budget; }

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void paintLegend(QPainter& painter, int top) const;

    TokenBudget m_budget;
};

} // namespace longlora::ui
