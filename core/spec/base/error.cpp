// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"

#include <utility>

namespace longlora {

namespace {

std::string fileMessage(const std::string& file, const std::string& where, const std::string& what)
{
    return where.empty() ? file + ": " + what : file + ", " + where + ": " + what;
}

bool isContinuation(char c)
{
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Messages travel through terminals, event lines and banners: they stay on one line, and what a
/// file says cannot command a terminal.
std::string onOneLine(std::string text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (static_cast<unsigned char>(text[i]) < ' ' || text[i] == '\x7F') {
            text[i] = ' ';
        }
        // U+0080 to U+009F are control characters too.
        if (text[i] == '\xC2' && i + 1 < text.size() && isContinuation(text[i + 1]) &&
            static_cast<unsigned char>(text[i + 1]) < 0xA0) {
            text[i] = ' ';
            text[i + 1] = ' ';
        }
    }
    return text;
}

/// A file may hold names and texts of any length.
std::string shortened(std::string text)
{
    constexpr std::size_t kLongest = 1200;
    if (text.size() > kLongest) {
        std::size_t end = kLongest;
        while (end > kLongest - 3 && isContinuation(text[end])) {
            --end;
        }
        text = text.substr(0, end) + "...";
    }
    return text;
}

} // namespace

Error::Error(ExitStatus status, const std::string& message, std::string hint)
    : std::runtime_error(message)
    , m_status(status)
    , m_hint(std::move(hint))
{}

void Error::addContext(std::string where)
{
    m_context.push_back(std::move(where));
}

std::string Error::describe() const
{
    std::string text = what();
    while (!text.empty() && (text.back() == '.' || text.back() == ' ')) {
        text.pop_back();
    }
    text = shortened(std::move(text));
    if (!m_context.empty()) {
        text += " (";
        for (std::size_t i = 0; i < m_context.size(); ++i) {
            text += (i == 0 ? "" : ", ") + m_context[i];
        }
        text += ')';
    }
    if (!m_hint.empty()) {
        text += ". " + m_hint;
    }
    return onOneLine(std::move(text));
}

ConfigError::ConfigError(const std::string& message, std::string hint)
    : Error(ExitStatus::Usage, message, std::move(hint))
{}

FormatError::FormatError(const std::string& file, const std::string& where, const std::string& what,
                         std::string hint)
    : Error(ExitStatus::Data, fileMessage(file, where, what), std::move(hint))
{}

DataError::DataError(const std::string& message, std::string hint)
    : Error(ExitStatus::Data, message, std::move(hint))
{}

DeviceError::DeviceError(const std::string& message, std::string hint)
    : Error(ExitStatus::Device, message, std::move(hint))
{}

} // namespace longlora
