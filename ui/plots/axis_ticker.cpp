// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/plots/axis_ticker.h"

#include "ui/text_format.h"

#include <qcustomplot.h>

#include <array>
#include <cmath>

namespace longlora::ui {

namespace {

/// The range divided into a few steps, the step rounded up to the next of `steps`.
template <class Steps>
double stepAbove(double wanted, const Steps& steps)
{
    for (const double step : steps) {
        if (step >= wanted) {
            return step;
        }
    }
    return steps.back() * std::ceil(wanted / steps.back());
}

class NumberTicker : public QCPAxisTicker {
protected:
    QString getTickLabel(double tick, const QLocale&, QChar, int) override
    {
        return formatValue(AxisFormat::Number, std::abs(tick) < 1e-15 ? 0.0 : tick);
    }
};

class BytesTicker : public QCPAxisTicker {
protected:
    double getTickStep(const QCPRange& range) override
    {
        const double wanted = std::max(1.0, range.size() / tickCount());
        const double unit = std::exp2(10.0 * std::floor(std::log2(wanted) / 10.0));
        return unit * stepAbove(wanted / unit, std::array{1., 2., 5., 10., 20., 50., 100., 200.,
                                                          256., 512., 1024.});
    }
    int getSubTickCount(double) override { return 0; }
    QString getTickLabel(double tick, const QLocale&, QChar, int) override
    {
        return bytesText(std::max(0.0, tick));
    }
};

class DurationTicker : public QCPAxisTicker {
protected:
    double getTickStep(const QCPRange& range) override
    {
        const double wanted = range.size() / tickCount();
        if (wanted < 1.0) {
            return QCPAxisTicker::getTickStep(range);
        }
        return stepAbove(wanted, std::array{1., 2., 5., 10., 15., 30., 60., 120., 300., 600., 900.,
                                            1800., 3600., 7200., 14400., 21600., 43200., 86400.});
    }
    int getSubTickCount(double) override { return 0; }
    QString getTickLabel(double tick, const QLocale&, QChar, int) override
    {
        return formatValue(AxisFormat::Duration, tick);
    }
};

class LogTicker : public QCPAxisTickerLog {
protected:
    QString getTickLabel(double tick, const QLocale&, QChar, int) override
    {
        return formatValue(AxisFormat::Number, tick);
    }
};

/// A logarithmic axis over less than a decade would have no tick at powers of ten.
class NarrowLogTicker : public LogTicker {
protected:
    QVector<double> createTickVector(double tickStep, const QCPRange& range) override
    {
        QVector<double> ticks;
        for (double decade = std::pow(10.0, std::floor(std::log10(range.lower)));
             decade <= range.upper && ticks.size() < 100; decade *= 10.0) {
            for (const double digit : {1.0, 2.0, 3.0, 5.0, 7.0}) {
                ticks.append(digit * decade);
            }
        }
        return ticks.isEmpty() ? LogTicker::createTickVector(tickStep, range) : ticks;
    }
};

} // namespace

QSharedPointer<QCPAxisTicker> makeTicker(AxisFormat format, bool logarithmic, int count)
{
    QSharedPointer<QCPAxisTicker> ticker;
    if (logarithmic) {
        ticker = QSharedPointer<NarrowLogTicker>::create();
    } else if (format == AxisFormat::Bytes) {
        ticker = QSharedPointer<BytesTicker>::create();
    } else if (format == AxisFormat::Duration) {
        ticker = QSharedPointer<DurationTicker>::create();
    } else {
        ticker = QSharedPointer<NumberTicker>::create();
    }
    ticker->setTickCount(count);
    return ticker;
}

QString formatValue(AxisFormat format, double value)
{
    switch (format) {
    case AxisFormat::Number:
        return numberText(value, 4);
    case AxisFormat::Bytes:
        return bytesText(value);
    case AxisFormat::Duration:
        return durationText(value);
    }
    return {};
}

} // namespace longlora::ui
