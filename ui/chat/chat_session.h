// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "ui/background_job.h"
#include "ui/chat/prompt_count.h"

#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>
#include <vector>

namespace longlora::ui {

/// A text the model reads before every question.
struct ChatDocument {
    std::string path;
    std::string text; ///< UTF-8, whole
};

/// One conversation with one model about some texts: what is known of the model, what has been
/// said, what is being said, and what a question would cost. The model lives behind ChatService.
class ChatSession : public QObject {
    Q_OBJECT

public:
    enum class State { NoModel, Loading, Ready, Checking, Prefilling, Answering };

    struct Turn {
        ConversationTurn text;
        std::optional<ChatAnswered> stats; ///< empty while it is being answered, or after a failure
    };

    /// `service` outlives this.
    explicit ChatSession(ChatService& service, QObject* parent = nullptr);

    void load(const QString& folder);
    void unload();
    void attach(const QStringList& files);
    void removeDocument(int index);
    void setQuestion(const QString& question);
    /// What a chat model shall be like; a base model is not told.
    void setSystem(const QString& system);
    void setSampling(const SamplingOptions& sampling);
    /// From the next question on.
    void keepCacheIn(KvFormat format);
    /// Asks the present question, unless the exact count says that it does not fit.
    void ask();
    void stop();
    /// Asks the last question again, with the next seed.
    void regenerate();
    void clearHistory();

    State state() const { return m_state; }
    bool isBusy() const { return m_state >= State::Checking; }
    bool canAsk() const;
    bool canRegenerate() const { return m_state == State::Ready && !m_turns.empty(); }
    const std::optional<ChatModelLoaded>& model() const { return m_model; }
    const QString& folder() const { return m_folder; }
    const std::vector<ChatDocument>& documents() const { return m_documents; }
    /// Tokens of one document alone; empty while it is counted.
    std::optional<std::int64_t> documentTokens(int index) const;
    const std::vector<Turn>& turns() const { return m_turns; }
    const SamplingOptions& sampling() const { return m_sampling; }
    KvFormat cacheFormat() const { return m_cacheFormat; }
    const TokenBudget& budget() const { return m_budget; }
    const ChatPrefill& prefill() const { return m_prefill; }
    /// What was counted last, as text: what would be sent, or of a long prompt its ends.
    const std::string& preview() const { return m_preview; }
    /// Whether the model, as far as it is known, is told the system text.
    bool takesSystem() const { return m_reader && !m_reader->format.isPlain(); }

Q_SIGNALS:
    void stateChanged();
    void documentsChanged();
    /// Turns were added or removed.
    void turnsChanged();
    /// The last turn grew.
    void answerGrew();
    /// Budget and preview.
    void budgetChanged();
    void prefillChanged();
    /// The question fits not; see budget().
    void refused();
    /// The typed question has gone to the model.
    void asked();
    void samplingChanged();
    void cacheFormatChanged(KvFormat format);
    void failed(const QString& what, const QString& why, const QString& hint);

private:
    Conversation conversationFor(const std::string& question) const;
    void takeCount(const PromptCount& count);
    void setState(State state);
    void drain();
    void handle(const ChatEvent& event);
    void send();
    void recountSoon();
    void recount(bool thenSend);
    void endAnswer(std::optional<ChatAnswered> stats);

    ChatService& m_service;
    State m_state = State::NoModel;
    QString m_folder;
    std::optional<ChatModelLoaded> m_model;
    std::shared_ptr<const PromptReader> m_reader;
    std::vector<ChatDocument> m_documents;
    std::vector<std::int64_t> m_documentTokens;
    std::vector<Turn> m_turns;
    std::string m_system;
    std::string m_question; ///< as typed so far
    std::string m_asking;   ///< being counted or answered
    SamplingOptions m_sampling;
    KvFormat m_cacheFormat = KvFormat::Model;
    TokenBudget m_budget;
    std::string m_preview;
    QString m_countProblem; ///< told last, not to be told at every key
    ChatPrefill m_prefill;

    QTimer m_drain;
    QTimer m_recount;
    BackgroundJob m_readerJob;
    BackgroundJob m_readJob;
    BackgroundJob m_countJob;
};

} // namespace longlora::ui
