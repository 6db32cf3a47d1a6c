// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/tour/tour_panel.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/tour/tour.h"
#include "ui/widget_name.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>

namespace longlora::ui {

namespace {

/// What the panel says at each stage; an empty `next` means: wait.
struct StageText {
    QString title;
    QString text;
    QString next;
};

StageText textOf(const Tour& tour, std::int64_t before, std::int64_t after)
{
    switch (tour.stage()) {
    case Tour::Stage::Off:
        return {};
    case Tour::Stage::Configure:
        return {before > 0 ? TourPanel::tr("1 of 3: This is a model that reads %1 tokens")
                                 .arg(countText(before))
                           : TourPanel::tr("1 of 3: A small model with a short context"),
                TourPanel::tr("The form is filled in to make it read %1. The squares show which "
                              "tokens see each other while it trains; on the right stands what "
                              "it costs.")
                    .arg(countText(after)),
                TourPanel::tr("Start training")};
    case Tour::Stage::Train:
        return {TourPanel::tr("2 of 3: It trains, you watch"),
                TourPanel::tr("The faint line is each step's loss, the strong one its mean, the "
                              "diamonds are text it never trains on. Hold and Stop act at the "
                              "next step."),
                {}};
    case Tour::Stage::Trained:
        return {TourPanel::tr("2 of 3: The run has ended"),
                TourPanel::tr("What it learned is a small adapter beside the model. Merging makes "
                              "one model of both."),
                TourPanel::tr("Go to Merge")};
    case Tour::Stage::Merge:
        return {TourPanel::tr("3 of 3: Merge, and see the proof"),
                TourPanel::tr("The merged model is compared with model + adapter on a long text."),
                TourPanel::tr("Merge now")};
    case Tour::Stage::Merged:
        return {TourPanel::tr("3 of 3: The proof is below"),
                TourPanel::tr("Now ask the model about a text longer than it could read before."),
                TourPanel::tr("Go to Chat")};
    case Tour::Stage::Ask:
        return {TourPanel::tr("3 of 3: Ask it"),
                TourPanel::tr("The text is attached and the beginning of a sentence is typed in. "
                              "The model goes on with it; the text says: %1.")
                    .arg(toQString(tour.script().expected).trimmed()),
                TourPanel::tr("Ask")};
    case Tour::Stage::Answered:
        return {tour.answer().contains(toQString(tour.script().expected).trimmed())
                    ? TourPanel::tr("Done: it found the answer in the text")
                    : TourPanel::tr("Done: this time it did not find the answer"),
                TourPanel::tr("The text says: %1. Your own model goes the same way: New run on "
                              "Home. The tour can be replayed from Help.")
                    .arg(toQString(tour.script().expected).trimmed()),
                TourPanel::tr("Finish")};
    }
    return {};
}

} // namespace

TourPanel::TourPanel(Tour& tour, QWidget* parent)
    : QFrame(parent)
    , m_tour(tour)
    , m_title(named(new QLabel(this), "tourTitle", tr("Step of the tour")))
    , m_text(named(new QLabel(this), "tourText", tr("What to do")))
    , m_next(named(new QPushButton(this), "tourNext", tr("Next step of the tour")))
    , m_skip(named(new QPushButton(tr("Skip the tour"), this), "tourSkip", tr("Skip the tour")))
{
    setObjectName(QStringLiteral("tourPanel"));
    QFont bold = m_title->font();
    bold.setBold(true);
    m_title->setFont(bold);
    m_text->setWordWrap(true);
    auto* words = new QVBoxLayout;
    words->setSpacing(2);
    words->addWidget(m_title);
    words->addWidget(m_text);
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(16, 8, 14, 8);
    layout->setSpacing(14);
    layout->addLayout(words, 1);
    layout->addWidget(m_next);
    layout->addWidget(m_skip);

    connect(m_next, &QPushButton::clicked, this, &TourPanel::nextRequested);
    connect(m_skip, &QPushButton::clicked, &m_tour, &Tour::skip);
    connect(&m_tour, &Tour::changed, this, &TourPanel::showStage);
    showStage();
}

void TourPanel::setLengths(std::int64_t before, std::int64_t after)
{
    m_before = before;
    m_after = after;
    showStage();
}

void TourPanel::showStage()
{
    const StageText text = textOf(m_tour, m_before, m_after);
    setVisible(m_tour.isOn());
    m_title->setText(text.title);
    m_text->setText(text.text);
    m_next->setVisible(!text.next.isEmpty());
    m_next->setText(text.next);
    m_skip->setVisible(m_tour.stage() != Tour::Stage::Answered);
}

void TourPanel::paintEvent(QPaintEvent*)
{
    const PlotTheme theme(palette());
    QPainter painter(this);
    const QColor accent = theme.series(PlotTheme::Blue);
    painter.fillRect(rect(), blended(palette().color(QPalette::Window), accent, 0.12));
    painter.fillRect(QRect(0, 0, 4, height()), accent);
}

} // namespace longlora::ui
