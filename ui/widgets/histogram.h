// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <cstdint>
#include <vector>

namespace longlora::ui {

/// How long the documents are, in tokens on a doubling axis, against the length of a row.
class Histogram : public QWidget {
    Q_OBJECT

public:
    explicit Histogram(QWidget* parent = nullptr);

    /// `lengths` in tokens; `target`: tokens per row, 0 if not known.
    void setLengths(const std::vector<std::int64_t>& lengths, std::int64_t target);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;

private:
    /// Documents of [2^k, 2^(k+1)) tokens.
    struct Bin {
        int exponent = 0;
        std::int64_t documents = 0;
    };
    QRectF plotArea() const;
    QRectF binRect(std::size_t bin) const;
    /// Position of a length on the axis.
    double xOf(double tokens) const;

    std::vector<Bin> m_bins;
    std::int64_t m_longest = 0; ///< documents in the fullest bin
    std::int64_t m_target = 0;
};

} // namespace longlora::ui
