// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/sampling_panel.h"

#include "ui/chat/chat_session.h"
#include "ui/widget_name.h"
#include "ui/widgets/number_edit.h"

#include <QFormLayout>
#include <QSignalBlocker>
#include <QSpinBox>

#include <limits>

namespace longlora::ui {

SamplingPanel::SamplingPanel(ChatSession& session, QWidget* parent)
    : QGroupBox(tr("Sampling"), parent)
    , m_session(session)
    , m_temperature(named(new NumberEdit(0.0, 5.0, this), "chatTemperature", tr("Temperature")))
    , m_topP(named(new NumberEdit(0.01, 1.0, this), "chatTopP", tr("Top-p")))
    , m_topK(named(new QSpinBox(this), "chatTopK", tr("Top-k")))
    , m_seed(named(new QSpinBox(this), "chatSeed", tr("Seed")))
    , m_maxTokens(named(new QSpinBox(this), "chatMaxTokens", tr("Longest answer")))
{
    m_temperature->setToolTip(tr("0 always takes the most likely token; larger is freer"));
    m_topP->setToolTip(tr("Only the likeliest tokens that together have this probability"));
    m_topK->setToolTip(tr("Only this many of the likeliest tokens"));
    m_seed->setToolTip(tr("The same seed gives the same answer"));
    m_maxTokens->setToolTip(tr("Tokens kept free for the answer"));
    m_topK->setRange(0, 1000000);
    m_topK->setSpecialValueText(tr("off"));
    m_seed->setRange(0, std::numeric_limits<int>::max());
    m_maxTokens->setRange(1, 1 << 20);
    m_maxTokens->setSuffix(tr(" tokens"));

    auto* form = new QFormLayout(this);
    form->setVerticalSpacing(4);
    form->addRow(tr("Temperature"), m_temperature);
    form->addRow(tr("Top-p"), m_topP);
    form->addRow(tr("Top-k"), m_topK);
    form->addRow(tr("Seed"), m_seed);
    form->addRow(tr("Longest answer"), m_maxTokens);
    for (NumberEdit* edit : {m_temperature, m_topP}) {
        connect(edit, &NumberEdit::valueEdited, this, &SamplingPanel::take);
    }
    for (QSpinBox* spin : {m_topK, m_seed, m_maxTokens}) {
        connect(spin, &QSpinBox::valueChanged, this, &SamplingPanel::take);
    }
    connect(&session, &ChatSession::samplingChanged, this, &SamplingPanel::showOptions);
    showOptions();
}

void SamplingPanel::take()
{
    SamplingOptions options = m_session.sampling();
    options.temperature = m_temperature->number();
    options.topP = m_topP->number();
    options.topK = m_topK->value();
    options.seed = m_seed->value();
    options.maxNewTokens = m_maxTokens->value();
    m_session.setSampling(options);
}

void SamplingPanel::showOptions()
{
    const SamplingOptions& options = m_session.sampling();
    const QSignalBlocker blockers[] = {QSignalBlocker(m_topK), QSignalBlocker(m_seed),
                                       QSignalBlocker(m_maxTokens)};
    m_temperature->setNumber(options.temperature);
    m_topP->setNumber(options.topP);
    m_topK->setValue(static_cast<int>(options.topK));
    m_seed->setValue(static_cast<int>(options.seed));
    m_maxTokens->setValue(static_cast<int>(options.maxNewTokens));
}

} // namespace longlora::ui
