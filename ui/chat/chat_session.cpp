// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/chat_session.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "ui/event_pump.h"
#include "ui/text_format.h"

#include <QStringDecoder>

#include <algorithm>

namespace longlora::ui {

namespace {

constexpr std::uintmax_t kDocumentLimitBytes = std::uintmax_t{64} << 20;
/// Typing pauses this long before the tokens are counted again.
constexpr std::chrono::milliseconds kCountDelay{200};

ChatDocument readDocument(const std::string& path)
{
    ChatDocument document{path, readWholeFile(path, kDocumentLimitBytes)};
    QStringDecoder decoder(QStringDecoder::Utf8);
    const QString text = decoder.decode(QByteArrayView(document.text));
    if (text.isEmpty()) {
        throw DataError(path + " is empty", "Attach a text file with something in it.");
    }
    if (decoder.hasError()) {
        throw DataError(path + " is not UTF-8 text", "Save it as UTF-8 text and attach it again.");
    }
    return document;
}

} // namespace

ChatSession::ChatSession(ChatService& service, QObject* parent)
    : QObject(parent)
    , m_service(service)
{
    m_drain.setInterval(EventPump::kQueueInterval);
    m_recount.setInterval(kCountDelay);
    m_recount.setSingleShot(true);
    connect(&m_drain, &QTimer::timeout, this, &ChatSession::drain);
    connect(&m_recount, &QTimer::timeout, this, [this] { recount(false); });
    connect(&m_readJob, &BackgroundJob::failed, this,
            [this](const QString& message, const QString& hint) {
                Q_EMIT failed(tr("The document was not attached"), message, hint);
            });
    connect(&m_readerJob, &BackgroundJob::failed, this,
            [this](const QString& message, const QString& hint) {
                Q_EMIT failed(tr("The tokenizer cannot be read"), message, hint);
            });
    connect(&m_countJob, &BackgroundJob::failed, this,
            [this](const QString& message, const QString& hint) {
                const bool wasAsked = m_state == State::Checking;
                if (wasAsked) {
                    setState(State::Ready);
                }
                if (wasAsked || message != m_countProblem) {
                    m_countProblem = message;
                    Q_EMIT failed(tr("The prompt cannot be written"), message, hint);
                }
            });
}

void ChatSession::load(const QString& folder)
{
    m_folder = folder;
    m_model.reset();
    m_reader.reset();
    m_countProblem.clear();
    m_turns.clear();
    Q_EMIT turnsChanged();
    m_service.load(toPath(folder));
    m_drain.start();
    m_readerJob.run(
        [path = toPath(folder)](const ProgressCallback&) { return readPromptReader(path); },
        [this](std::shared_ptr<const PromptReader> reader) {
            m_reader = std::move(reader);
            recount(false);
            Q_EMIT stateChanged();
        });
    setState(State::Loading);
}

void ChatSession::unload()
{
    m_service.unload();
    m_model.reset();
    m_readerJob.cancel();
    m_reader.reset();
    setState(State::NoModel);
    recount(false);
}

void ChatSession::attach(const QStringList& files)
{
    std::vector<std::string> paths;
    for (const QString& file : files) {
        paths.push_back(file.toStdString());
    }
    m_readJob.run(
        [paths](const ProgressCallback&) {
            std::vector<ChatDocument> documents;
            for (const std::string& path : paths) {
                documents.push_back(readDocument(path));
            }
            return documents;
        },
        [this](const std::vector<ChatDocument>& documents) {
            m_documents.insert(m_documents.end(), documents.begin(), documents.end());
            Q_EMIT documentsChanged();
            recount(false);
        });
}

void ChatSession::removeDocument(int index)
{
    m_documents.erase(m_documents.begin() + index);
    m_documentTokens.clear();
    Q_EMIT documentsChanged();
    recount(false);
}

void ChatSession::setQuestion(const QString& question)
{
    m_question = question.toStdString();
    recountSoon();
}

void ChatSession::setSystem(const QString& system)
{
    m_system = system.trimmed().toStdString();
    recountSoon();
}

void ChatSession::setSampling(const SamplingOptions& sampling)
{
    m_sampling = sampling;
    m_budget.reserve = sampling.maxNewTokens;
    Q_EMIT samplingChanged();
    Q_EMIT budgetChanged();
}

void ChatSession::keepCacheIn(KvFormat format)
{
    if (format != m_cacheFormat) {
        m_cacheFormat = format;
        m_service.keepCacheIn(format);
        Q_EMIT cacheFormatChanged(format);
    }
}

Conversation ChatSession::conversationFor(const std::string& question) const
{
    Conversation conversation;
    if (takesSystem()) {
        conversation.system = m_system;
    }
    for (const ChatDocument& document : m_documents) {
        conversation.documents.push_back(document.text);
    }
    for (const Turn& turn : m_turns) {
        conversation.turns.push_back(turn.text);
    }
    conversation.question = question;
    return conversation;
}

std::optional<std::int64_t> ChatSession::documentTokens(int index) const
{
    const auto at = static_cast<std::size_t>(index);
    return at < m_documentTokens.size() ? std::optional(m_documentTokens[at]) : std::nullopt;
}

bool ChatSession::canAsk() const
{
    return m_state == State::Ready && m_reader != nullptr && !m_question.empty();
}

void ChatSession::recountSoon()
{
    m_recount.start();
}

void ChatSession::recount(bool thenSend)
{
    m_recount.stop();
    if (m_state == State::Checking && !thenSend) {
        // What changed meanwhile is counted when the question has gone.
        m_recount.start();
        return;
    }
    if (!m_reader) {
        m_budget = {};
        m_preview.clear();
        m_documentTokens.clear();
        Q_EMIT budgetChanged();
        return;
    }
    m_countJob.run(
        [reader = m_reader, conversation = conversationFor(thenSend ? m_asking : m_question)](
            const ProgressCallback&) { return countPrompt(*reader, conversation); },
        [this, thenSend](const PromptCount& count) {
            takeCount(count);
            if (thenSend) {
                send();
            }
        });
}

void ChatSession::takeCount(const PromptCount& count)
{
    m_countProblem.clear();
    m_budget = count.budget;
    m_budget.context = m_model ? m_model->contextLength : 0;
    m_budget.reserve = m_sampling.maxNewTokens;
    m_documentTokens = count.documents;
    m_preview = count.preview;
    Q_EMIT documentsChanged();
    Q_EMIT budgetChanged();
}

void ChatSession::ask()
{
    if (!canAsk()) {
        return;
    }
    m_asking = m_question;
    setState(State::Checking);
    recount(true);
}

void ChatSession::send()
{
    if (m_budget.excess() > 0) {
        setState(State::Ready);
        Q_EMIT refused();
        return;
    }
    const ChatRequest request{conversationFor(m_asking), m_sampling};
    m_turns.push_back({{m_asking, {}}, std::nullopt});
    m_prefill = {};
    Q_EMIT turnsChanged();
    if (m_asking == m_question) {
        m_question.clear();
        Q_EMIT asked();
    }
    m_service.ask(request);
    m_drain.start();
    setState(State::Prefilling);
}

void ChatSession::stop()
{
    if (m_state == State::Checking) {
        m_countJob.cancel();
        setState(State::Ready);
    } else if (isBusy()) {
        m_service.cancel();
    }
}

void ChatSession::regenerate()
{
    if (!canRegenerate()) {
        return;
    }
    m_asking = m_turns.back().text.question;
    m_turns.pop_back();
    ++m_sampling.seed;
    Q_EMIT turnsChanged();
    Q_EMIT samplingChanged();
    setState(State::Checking);
    recount(true);
}

void ChatSession::clearHistory()
{
    if (isBusy()) {
        return;
    }
    m_turns.clear();
    Q_EMIT turnsChanged();
    recount(false);
}

void ChatSession::setState(State state)
{
    if (m_state != state) {
        m_state = state;
        Q_EMIT stateChanged();
    }
}

void ChatSession::drain()
{
    for (const ChatEvent& event : m_service.drain()) {
        handle(event);
    }
    if (m_state == State::Ready || m_state == State::NoModel) {
        m_drain.stop();
    }
}

void ChatSession::handle(const ChatEvent& event)
{
    if (const auto* loaded = std::get_if<ChatModelLoaded>(&event)) {
        m_model = *loaded;
        setState(State::Ready);
        recount(false);
    } else if (const auto* prefill = std::get_if<ChatPrefill>(&event)) {
        m_prefill = *prefill;
        Q_EMIT prefillChanged();
    } else if (const auto* text = std::get_if<ChatText>(&event); text != nullptr && isBusy()) {
        m_turns.back().text.answer += text->text;
        setState(State::Answering);
        Q_EMIT answerGrew();
    } else if (const auto* answered = std::get_if<ChatAnswered>(&event)) {
        endAnswer(*answered);
    } else if (const auto* problem = std::get_if<ChatFailed>(&event)) {
        const bool wasLoading = m_state == State::Loading;
        if (wasLoading) {
            setState(State::NoModel);
        } else {
            endAnswer(std::nullopt);
        }
        Q_EMIT failed(wasLoading ? tr("The model was not loaded") : tr("The answer failed"),
                      toQString(problem->message), toQString(problem->hint));
    }
}

void ChatSession::endAnswer(std::optional<ChatAnswered> stats)
{
    if (!isBusy()) {
        return;
    }
    m_turns.back().stats = std::move(stats);
    setState(State::Ready);
    Q_EMIT turnsChanged();
    recount(false);
}

} // namespace longlora::ui
