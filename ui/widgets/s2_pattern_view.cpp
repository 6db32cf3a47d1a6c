// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/s2_pattern_view.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>

namespace longlora::ui {

namespace {

constexpr int kGap = 28;

} // namespace

S2PatternView::S2PatternView(QWidget* parent)
    : QWidget(parent)
{
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
}

void S2PatternView::setPattern(std::int64_t length, const std::optional<S2Pattern>& pattern)
{
    m_length = length;
    m_pattern = pattern;
    m_pictures[0] = m_pictures[1] = {};
    setAccessibleDescription(caption());
    updateGeometry();
    update();
}

QSize S2PatternView::sizeHint() const
{
    const int width = fontMetrics().height() * 26;
    return {width, heightForWidth(width)};
}

QSize S2PatternView::minimumSizeHint() const
{
    return {fontMetrics().height() * 14, 0};
}

int S2PatternView::heightForWidth(int width) const
{
    const int line = fontMetrics().height();
    if (m_length < 2) {
        return line * 3;
    }
    return squareSize(width) + line * (captionBeside(width) ? 5 : 9) / 2;
}

int S2PatternView::squareSize(int width) const
{
    const int widest = fontMetrics().height() * 13;
    return std::clamp((width - kGap) / 2, 40, widest);
}

bool S2PatternView::captionBeside(int width) const
{
    return width - 2 * squareSize(width) - 2 * kGap > fontMetrics().height() * 12;
}

QRect S2PatternView::square(HeadHalf half) const
{
    const int size = squareSize(width());
    const int left = half == HeadHalf::Plain ? 0 : size + kGap;
    return {left, fontMetrics().height() + 4, size, size};
}

bool S2PatternView::visible(HeadHalf half, std::int64_t query, std::int64_t key) const
{
    return m_pattern ? m_pattern->visible(half, query, key) : key <= query;
}

const QImage& S2PatternView::picture(HeadHalf half)
{
    QImage& image = m_pictures[half == HeadHalf::Plain ? 0 : 1];
    const int pixels = static_cast<int>(squareSize(width()) * devicePixelRatioF());
    if (image.width() != pixels) {
        image = makePicture(half, pixels);
        image.setDevicePixelRatio(devicePixelRatioF());
    }
    return image;
}

QImage S2PatternView::makePicture(HeadHalf half, int pixels) const
{
    const PlotTheme theme(palette());
    const QRgb seen =
        theme.series(half == HeadHalf::Plain ? PlotTheme::Blue : PlotTheme::Green).rgb();
    const QRgb leak = theme.bad.rgb();
    const QRgb unseen = theme.background.rgb();
    // Pairs full attention would also compute: what S2 saves.
    const QRgb skipped = blended(theme.background, theme.text, 0.07).rgb();
    const auto tokenAt = [this, pixels](int pixel) {
        return std::min(m_length - 1, pixel * m_length / pixels);
    };
    QImage image(pixels, pixels, QImage::Format_RGB32);
    for (int y = 0; y < pixels; ++y) {
        auto* line = reinterpret_cast<QRgb*>(image.scanLine(y));
        const std::int64_t query = tokenAt(y);
        for (int x = 0; x < pixels; ++x) {
            const std::int64_t key = tokenAt(x);
            const bool later = key > query;
            line[x] =
                visible(half, query, key) ? (later ? leak : seen) : (later ? unseen : skipped);
        }
    }
    return image;
}

void S2PatternView::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    if (m_length < 2) {
        painter.setPen(PlotTheme(palette()).faintText);
        painter.drawText(rect(), Qt::AlignCenter | Qt::TextWordWrap,
                         tr("Choose a model and a length to see who attends to whom"));
        return;
    }
    paintSquare(painter, HeadHalf::Plain);
    paintSquare(painter, HeadHalf::Shifted);
    painter.setPen(palette().color(QPalette::WindowText));
    const QRect box = square(HeadHalf::Plain);
    const int line = fontMetrics().height();
    const int left = captionBeside(width()) ? 2 * (box.width() + kGap) : 0;
    const int top = left > 0 ? box.top() : box.bottom() + line + 6;
    const QRect text(left, top, width() - left, height() - top);
    painter.drawText(text, Qt::TextWordWrap, caption());
}

void S2PatternView::paintSquare(QPainter& painter, HeadHalf half)
{
    const PlotTheme theme(palette());
    const QRect box = square(half);
    const int line = fontMetrics().height();
    const QString title = !m_pattern                ? tr("All heads")
                          : half == HeadHalf::Plain ? tr("Plain heads")
                                                    : tr("Shifted heads");
    if (!m_pattern && half == HeadHalf::Shifted) {
        return;
    }
    painter.setPen(palette().color(QPalette::WindowText));
    painter.drawText(QRect(box.left(), 0, box.width(), line), Qt::AlignLeft, title);
    painter.drawImage(box.topLeft(), picture(half));
    painter.setPen(theme.grid);
    painter.drawRect(box);
    painter.setPen(theme.faintText);
    const QRect axis(box.left(), box.bottom() + 2, box.width(), line);
    painter.drawText(axis, Qt::AlignLeft, QStringLiteral("0"));
    painter.drawText(axis, Qt::AlignRight, countText(m_length));
    if (m_pattern && m_pattern->group < m_length) {
        const std::int64_t edge = m_pattern->segments(half).front().end;
        const int x = static_cast<int>(edge * box.width() / m_length);
        const QString label = countText(edge);
        const int labelWidth = fontMetrics().horizontalAdvance(label);
        if (x + labelWidth / 2 <
                box.width() - fontMetrics().horizontalAdvance(countText(m_length)) - 4 &&
            x > labelWidth) {
            painter.drawLine(box.left() + x, box.bottom(), box.left() + x, box.bottom() + 3);
            painter.drawText(QRect(box.left() + x - labelWidth, axis.top(), 2 * labelWidth, line),
                             Qt::AlignHCenter, label);
        }
    }
}

QString S2PatternView::caption() const
{
    if (m_length < 2) {
        return {};
    }
    if (!m_pattern) {
        return tr("Full attention: every token sees all earlier ones.");
    }
    const double length = static_cast<double>(m_length);
    const double share = m_pattern->pairsPerHead() / (length * (length + 1.0) / 2.0);
    QString text =
        tr("Each row is a token, coloured where it sees others. Groups of %1 tokens; half of the "
           "heads are shifted by %2. Of the pairs of full attention (grey) %3 are computed.")
            .arg(countText(m_pattern->group), countText(m_pattern->group / 2), percentText(share));
    if (m_pattern->edge == GroupEdge::Circular) {
        text +=
            u' ' + tr("The first %1 tokens see later ones.").arg(countText(m_pattern->group / 2));
    }
    return text;
}

QString S2PatternView::describePair(HeadHalf half, std::int64_t query) const
{
    // The keys a query sees are one run of tokens, or two where the circular edge wraps.
    QStringList ranges;
    const auto add = [&](std::int64_t begin, std::int64_t end) {
        ranges.append(tr("%1 to %2").arg(countText(begin), countText(end)));
    };
    if (!m_pattern) {
        add(0, query);
    } else {
        const std::int64_t roll = m_pattern->roll(half);
        const std::int64_t rank = (query - roll + m_length) % m_length;
        for (const S2Pattern::Segment& segment : m_pattern->segments(half)) {
            if (rank < segment.begin || rank >= segment.end) {
                continue;
            }
            const std::int64_t first = (segment.begin + roll) % m_length;
            if (first <= query) {
                add(first, query);
            } else {
                add(first, m_length - 1);
                add(0, query);
            }
        }
    }
    return tr("Token %1 sees tokens %2").arg(countText(query), ranges.join(tr(" and ")));
}

bool S2PatternView::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip || m_length < 2) {
        return QWidget::event(event);
    }
    const auto* help = static_cast<QHelpEvent*>(event);
    for (const HeadHalf half : {HeadHalf::Plain, HeadHalf::Shifted}) {
        const QRect box = square(half);
        if (box.contains(help->pos()) && (m_pattern || half == HeadHalf::Plain)) {
            const std::int64_t query = (help->y() - box.top()) * m_length / box.height();
            QToolTip::showText(help->globalPos(), describePair(half, std::min(query, m_length - 1)),
                               this);
            return true;
        }
    }
    QToolTip::hideText();
    event->ignore();
    return true;
}

void S2PatternView::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange) {
        m_pictures[0] = m_pictures[1] = {};
    }
    QWidget::changeEvent(event);
}

} // namespace longlora::ui
