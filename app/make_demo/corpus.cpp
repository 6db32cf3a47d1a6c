// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/make_demo/corpus.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <algorithm>
#include <vector>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kPlayLimitBytes = 4U << 20U;
constexpr std::size_t kFewestPlays = 30;

/// Unix line ends, no trailing blanks, at most one empty line in a row, ASCII only.
std::string tidied(const std::string& text)
{
    std::string result;
    std::string line;
    int emptyLines = 0;
    const auto endLine = [&] {
        while (!line.empty() && line.back() == ' ') {
            line.pop_back();
        }
        emptyLines = line.empty() ? emptyLines + 1 : 0;
        if (emptyLines <= 1) {
            result += line + '\n';
        }
        line.clear();
    };
    for (const char c : text) {
        if (c == '\n') {
            endLine();
        } else if (c >= ' ' && c <= '~') {
            line += c;
        }
    }
    endLine();
    return result;
}

} // namespace

DemoCorpus readDemoCorpus(const fs::path& plays)
{
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(plays)) {
        if (entry.path().filename().string().ends_with("_gut.txt")) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    DemoCorpus corpus;
    for (const fs::path& file : files) {
        const std::string text = tidied(readWholeFile(file, kPlayLimitBytes));
        const std::string name = file.filename().string();
        std::string& part = name == "tempest_gut.txt"   ? corpus.book
                            : name == "macbeth_gut.txt" ? corpus.heldOut
                                                        : corpus.training;
        part += text;
    }
    if (files.size() < kFewestPlays || corpus.book.empty() || corpus.heldOut.empty()) {
        throw DataError(plays.string() + " holds " + std::to_string(files.size()) +
                            " plays (*_gut.txt), or lacks tempest_gut.txt or macbeth_gut.txt",
                        "give the folder shksprdata/texts of the Python package shakespeare 0.6");
    }
    return corpus;
}

} // namespace longlora
