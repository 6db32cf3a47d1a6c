// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/number_edit.h"

#include <QLineEdit>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace longlora::ui {

namespace {

QString write(double number)
{
    QLocale locale;
    locale.setNumberOptions(QLocale::OmitGroupSeparator);
    return locale.toString(number, 'g', QLocale::FloatingPointShortest);
}

} // namespace

NumberEdit::NumberEdit(double minimum, double maximum, QWidget* parent)
    : QAbstractSpinBox(parent)
    , m_minimum(minimum)
    , m_maximum(maximum)
{
    connect(lineEdit(), &QLineEdit::textEdited, this, [this](const QString& text) {
        bool ok = false;
        const double number = QLocale().toDouble(text, &ok);
        if (ok && number >= m_minimum && number <= m_maximum && number != m_number) {
            m_number = number;
            Q_EMIT valueEdited(number);
        }
    });
    // What was typed half stays until the field is left.
    connect(this, &QAbstractSpinBox::editingFinished, this,
            [this] { lineEdit()->setText(write(m_number)); });
    setNumber(std::clamp(0.0, minimum, maximum));
}

void NumberEdit::setNumber(double number)
{
    bool ok = false;
    // Rewriting an equal number would move the caret of someone who is typing it.
    if (QLocale().toDouble(lineEdit()->text(), &ok) != number || !ok) {
        lineEdit()->setText(write(number));
    }
    m_number = number;
}

void NumberEdit::take(double number)
{
    const double inside = std::clamp(number, m_minimum, m_maximum);
    if (inside != m_number) {
        setNumber(inside);
        Q_EMIT valueEdited(inside);
    }
}

void NumberEdit::stepBy(int steps)
{
    double number = m_number;
    for (int i = 0; i < std::abs(steps); ++i) {
        const bool up = steps > 0;
        // From zero there is no leading digit to change.
        const double size = number == 0.0
                                ? std::max(std::abs(m_maximum) < 2.0 ? 0.1 : 1.0, 0.0)
                                : std::pow(10.0, std::floor(std::log10(std::abs(number))));
        const bool atDecade = number != 0.0 && std::abs(std::abs(number) / size - 1.0) < 1e-9;
        const double step = !up && atDecade && number > 0.0 ? size / 10.0 : size;
        // Rounding to the step keeps 0.3 from becoming 0.30000000000000004.
        number = std::round((number + (up ? step : -step)) / step) * step;
        number = QLocale::c().toString(number, 'g', 12).toDouble();
    }
    take(number);
}

QValidator::State NumberEdit::validate(QString& input, int&) const
{
    bool ok = false;
    const double number = QLocale().toDouble(input, &ok);
    return ok && number >= m_minimum && number <= m_maximum ? QValidator::Acceptable
                                                            : QValidator::Intermediate;
}

QSize NumberEdit::sizeHint() const
{
    QSize size = QAbstractSpinBox::sizeHint();
    size.setWidth(fontMetrics().averageCharWidth() * 14);
    return size;
}

QAbstractSpinBox::StepEnabled NumberEdit::stepEnabled() const
{
    StepEnabled enabled = StepNone;
    enabled.setFlag(StepUpEnabled, m_number < m_maximum);
    enabled.setFlag(StepDownEnabled, m_number > m_minimum);
    return enabled;
}

} // namespace longlora::ui
