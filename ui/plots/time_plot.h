// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <memory>
#include <span>

class QCustomPlot;
class QMouseEvent;
class QWheelEvent;

namespace longlora::ui {

enum class AxisFormat { Number, Bytes, Duration };

/// Panels above each other that share one horizontal axis and one cursor. Wheel zooms, dragging
/// pans, double-click fits; with the keyboard: + and - zoom, Left and Right pan, Home fits, Shift
/// with Left and Right moves the cursor. While fitted it follows what is appended. Draws 10^6
/// points without lag (min/max decimation) and at most once per event-loop turn.
class TimePlot : public QWidget {
    Q_OBJECT

public:
    explicit TimePlot(QWidget* parent = nullptr);
    ~TimePlot() override;

    enum class Line { Faint, Strong, Dashed, Points };
    /// Returns the panel's index. `stretch`: its share of the height. Logarithmic panels show
    /// positive values only. `fromZero`: the axis always starts at zero.
    struct Panel {
        QString title;
        AxisFormat format = AxisFormat::Number;
        int stretch = 1;
        bool fromZero = false;
    };
    int addPanel(const Panel& panel);
    /// Returns the series' index. `colour`: of PlotTheme.
    struct Series {
        int panel = 0;
        QString name;
        int colour = 0;
        Line line = Line::Strong;
    };
    int addSeries(const Series& series);

    /// Keys ascend. A NaN value makes a gap.
    void append(int series, std::span<const double> keys, std::span<const double> values);
    void clearSeries(int series);
    void setKeyAxis(const QString& label, AxisFormat format);
    void setLogarithmic(int panel, bool logarithmic);
    /// Shown while there is no point at all.
    void setHint(const QString& hint);
    /// Shows everything and follows what comes.
    void fit();
    bool isFitted() const { return m_fitted; }
    /// Asks for one redraw soon.
    void refresh();

    /// False if the file could not be written.
    bool savePng(const QString& file);
    bool saveSvg(const QString& file);

Q_SIGNALS:
    void fittedChanged(bool fitted);

protected:
    void changeEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    struct Parts;

    void applyTheme();
    void fitKeys();
    void fitValues();
    void setKeyRange(double lower, double upper, bool fitted);
    void zoom(double factor, double centre);
    void pan(double share);
    void setCursor(double key);
    void hideCursor();
    void showReadouts();
    QString readout(int panel) const;
    void moveTo(const QMouseEvent& event);

    QCustomPlot* m_plot;
    std::unique_ptr<Parts> m_parts;
    bool m_fitted = true;
};

} // namespace longlora::ui
