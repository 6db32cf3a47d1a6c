// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <memory>
#include <optional>
#include <sstream>

namespace longlora::app {

namespace {

constexpr std::uintmax_t kFileBytes = std::uintmax_t{4} << 30;
constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;

/// Each is empty unless given: a text may be empty and yet be given.
struct TokenizeOptions {
    std::string model;
    std::string text, file, lines, decode;
    const CLI::Option* textGiven = nullptr;
    const CLI::Option* fileGiven = nullptr;
    const CLI::Option* linesGiven = nullptr;
    const CLI::Option* decodeGiven = nullptr;
};

ExitStatus decode(const Tokenizer& tokenizer, const std::string& text, Console& console)
{
    constexpr IntegerRange kIds{0, std::numeric_limits<TokenId>::max()};
    std::vector<TokenId> ids;
    for (const std::int64_t id : parseIntegers("--decode", text, kIds)) {
        ids.push_back(static_cast<TokenId>(id));
    }
    const std::string decoded = tokenizer.decode(ids, true);
    console.print(decoded);
    console.finish(
        nlohmann::ordered_json{{"text", decoded}, {"ids", ids}, {"count", ids.size()}}.dump(
            -1, ' ', false, kReplace));
    return ExitStatus::Done;
}

/// The string on line `number` of `file`.
std::string textOfLine(const std::string& line, const std::string& file, std::size_t number)
{
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_string()) {
        throw DataError(fmt::format("{}: line {} is not a JSON string", file, number),
                        "Each line is one text in quotes, its line breaks written as \\n.");
    }
    return json.get<std::string>();
}

/// Many texts, each for itself.
ExitStatus tokenizeLines(const Tokenizer& tokenizer, const std::string& file, Console& console)
{
    std::istringstream lines(readWholeFile(file, kFileBytes));
    std::vector<std::vector<TokenId>> ids;
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
        ids.push_back(tokenizer.encode(textOfLine(line, file, ids.size() + 1), true));
        count += ids.back().size();
        console.print(nlohmann::ordered_json(ids.back()).dump());
    }
    console.finish(nlohmann::ordered_json{{"ids", ids}, {"count", count}}.dump());
    return ExitStatus::Done;
}

ExitStatus tokenize(const TokenizeOptions& options, Console& console)
{
    const bool hasText = !options.textGiven->empty();
    const bool hasFile = !options.fileGiven->empty();
    const bool hasLines = !options.linesGiven->empty();
    const bool hasIds = !options.decodeGiven->empty();
    if (hasText + hasFile + hasLines + hasIds != 1) {
        throw ConfigError("tokenize needs one of --text, --file, --lines and --decode");
    }
    const std::unique_ptr<Tokenizer> tokenizer = loadTokenizer(resolveModelFolder(options.model));
    if (hasIds) {
        return decode(*tokenizer, options.decode, console);
    }
    if (hasLines) {
        return tokenizeLines(*tokenizer, options.lines, console);
    }
    const std::string text = hasFile ? readWholeFile(options.file, kFileBytes) : options.text;
    const std::vector<TokenId> ids = tokenizer->encode(text, true);
    console.print(nlohmann::ordered_json(ids).dump());
    console.finish(nlohmann::ordered_json{{"ids", ids}, {"count", ids.size()}}.dump());
    return ExitStatus::Done;
}

} // namespace

void addTokenizeCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<TokenizeOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "tokenize", "text to token ids, and back",
                   [options](Console& console) { return tokenize(*options, console); });
    addText(*command, {"--model", "DIR", "folder with a tokenizer, or a name in the local cache"},
            options->model)
        ->required();
    options->textGiven =
        addText(*command, {"--text", "TEXT", "special tokens in it are parsed"}, options->text);
    options->fileGiven =
        addText(*command, {"--file", "FILE", "the bytes of a file as they are"}, options->file);
    options->linesGiven =
        addText(*command, {"--lines", "FILE", "a text a line, each a JSON string"}, options->lines);
    options->decodeGiven =
        addText(*command, {"--decode", "IDS", "ids separated by commas or spaces, to text"},
                options->decode);
}

} // namespace longlora::app
