// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/cache_choice.h"

#include "ui/chat/chat_session.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QComboBox>
#include <QLabel>
#include <QVBoxLayout>

namespace longlora::ui {

CacheChoice::CacheChoice(ChatSession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_format(named(new QComboBox(this), "chatCache", tr("Memory of what was read")))
    , m_meaning(named(new QLabel(this), "chatCacheMeaning", tr("What this choice means")))
{
    auto* title = new QLabel(tr("Memory of what was &read"), this);
    title->setBuddy(m_format);
    m_format->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_format->setToolTip(tr("Of every token that it reads the model keeps keys and values, layer "
                            "by layer. Fewer bits for them leave room for longer texts."));
    m_meaning->setWordWrap(true);
    for (std::size_t i = 0; i < kKvFormats; ++i) {
        m_format->addItem(QString());
    }
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(title);
    layout->addWidget(m_format);
    layout->addWidget(m_meaning);

    connect(m_format, &QComboBox::activated, this,
            [this](int index) { m_session.keepCacheIn(static_cast<KvFormat>(index)); });
    connect(&session, &ChatSession::cacheFormatChanged, this, &CacheChoice::showChoice);
    connect(&session, &ChatSession::stateChanged, this, &CacheChoice::showChoice);
    showChoice();
}

void CacheChoice::showChoice()
{
    for (int i = 0; i < m_format->count(); ++i) {
        m_format->setItemText(i, nameText(static_cast<KvFormat>(i)));
    }
    m_format->setCurrentIndex(static_cast<int>(m_session.cacheFormat()));
    m_format->setEnabled(!m_session.isBusy());
    m_meaning->setText(meaningText());
}

QString CacheChoice::nameText(KvFormat format) const
{
    const QString name = [format] {
        switch (format) {
        case KvFormat::Model:
            break;
        case KvFormat::BFloat16:
            return tr("In 16 bits");
        case KvFormat::Int8:
            return tr("In 8 bits");
        case KvFormat::Int4:
            return tr("In 4 bits");
        }
        return tr("In full");
    }();
    const std::optional<ChatModelLoaded>& model = m_session.model();
    if (!model) {
        return name;
    }
    const KvMemory& memory = model->cacheMemory[static_cast<std::size_t>(format)];
    return tr("%1: %2 for 1,000 tokens").arg(name, bytesText(1000.0 * memory.bytesPerToken));
}

QString CacheChoice::meaningText() const
{
    const KvFormat format = m_session.cacheFormat();
    QString text;
    if (const std::optional<ChatModelLoaded>& model = m_session.model()) {
        const KvMemory& memory = model->cacheMemory[static_cast<std::size_t>(format)];
        const auto context = static_cast<double>(model->contextLength);
        text = tr("All %1 tokens of its context take %2.")
                   .arg(countText(model->contextLength), bytesText(memory.bytesFor(context))) +
               u' ';
    }
    switch (format) {
    case KvFormat::Model:
        return text + tr("As exact as the model computes.");
    case KvFormat::BFloat16:
        return text + tr("As exact as a model in bf16.");
    case KvFormat::Int8:
        return text + tr("Answers are nearly those in full.");
    case KvFormat::Int4:
        return text + tr("The newest tokens stay in full; what was read long ago is a little less "
                         "exact.");
    }
    return text;
}

} // namespace longlora::ui
