// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractSpinBox>

namespace longlora::ui {

/// A real number over many orders of magnitude ("2e-05"), typed or stepped: the arrows change the
/// leading digit by one, so that 2e-05 goes to 3e-05 and 1e-05 to 9e-06.
class NumberEdit : public QAbstractSpinBox {
    Q_OBJECT

public:
    NumberEdit(double minimum, double maximum, QWidget* parent = nullptr);

    double number() const { return m_number; }
    /// Does not emit valueEdited().
    void setNumber(double number);

    void stepBy(int steps) override;
    QValidator::State validate(QString& input, int& position) const override;
    QSize sizeHint() const override;

Q_SIGNALS:
    void valueEdited(double value);

protected:
    StepEnabled stepEnabled() const override;

private:
    void take(double number);

    double m_minimum;
    double m_maximum;
    double m_number = 0.0;
};

} // namespace longlora::ui
