// SPDX-License-Identifier: GPL-3.0-or-later
// Malformed files, end to end: whatever a file holds, the program says in one line what is wrong
// with it and ends with status 3, within a second of processor time and 2 GB.
#include "tests/app/program.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <functional>
#include <ostream>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

enum class Command { InspectFile, Inspect, Tokenize, Logits };

struct MalformedFile {
    std::string name;
    Command command;
    std::string file; ///< inside a copy of models/tiny-shakespeare
    std::function<void(const fs::path&)> spoil;
    std::string reason; ///< in the last line
};

void PrintTo(const MalformedFile& item, std::ostream* stream)
{
    *stream << item.name;
}

std::function<void(const fs::path&)> holding(const std::string& bytes)
{
    return [bytes](const fs::path& file) { writeFile(file, bytes); };
}

void truncate(const fs::path& file)
{
    fs::resize_file(file, fs::file_size(file) / 2);
}

void makeEndless(const fs::path& file)
{
    writeFile(file, "{");
    fs::resize_file(file, std::uintmax_t{1} << 42);
}

void makeFifo(const fs::path& file)
{
    fs::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
}

void linkToItself(const fs::path& file)
{
    fs::remove(file);
    fs::create_symlink(file.filename(), file);
}

void linkToEndless(const fs::path& file)
{
    fs::remove(file);
    fs::create_symlink("/dev/zero", file);
}

/// Replaces `what` wherever it stands.
std::function<void(const fs::path&)> replacing(const std::string& what, const std::string& by)
{
    return [=](const fs::path& file) {
        std::string text = readFile(file);
        ASSERT_NE(text.find(what), std::string::npos) << what;
        for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) {
            text.replace(at, what.size(), by);
            at += by.size();
        }
        writeFile(file, text);
    };
}

/// An index in the place of model.safetensors.
std::function<void(const fs::path&)> indexHolding(const std::string& text)
{
    return [text](const fs::path& file) {
        fs::remove(file.parent_path() / "model.safetensors");
        writeFile(file, text);
    };
}

std::function<void(const fs::path&)> jsonHolding(const std::string& text)
{
    return [text](const fs::path& file) {
        fs::remove(file.parent_path() / "tokenizer.model");
        writeFile(file, text);
    };
}

std::string safetensors(const std::string& header)
{
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size() & 0xFF);
    length[1] = static_cast<char>(header.size() >> 8);
    return length + header;
}

std::string repeated(const std::string& unit, int count)
{
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += unit;
    }
    return text;
}

std::vector<MalformedFile> malformedFiles()
{
    const std::string weights = "model.safetensors";
    const std::string index = "model.safetensors.index.json";
    const std::string config = "config.json";
    const std::string model = "tokenizer.model";
    const std::string json = "tokenizer.json";
    const std::string overflow =
        R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})";
    return {
        {"WeightsEmpty", Command::InspectFile, weights, holding(""), "offset 0"},
        {"WeightsOfOnes", Command::InspectFile, weights, holding(std::string(99, '\xFF')),
         "above the limit"},
        {"WeightsTruncated", Command::InspectFile, weights, truncate, "truncated"},
        {"WeightsOverflow", Command::InspectFile, weights, holding(safetensors(overflow)),
         "overflows"},
        {"WeightsFifo", Command::InspectFile, weights, makeFifo, "not a regular file"},
        {"WeightsFifoOfAModel", Command::Logits, weights, makeFifo, "not a regular file"},
        {"WeightsEndless", Command::Logits, weights, linkToEndless, "not a regular file"},
        {"WeightsLinkedToThemselves", Command::Logits, weights, linkToItself, "model.safetensors"},
        {"WeightsHoldNewlinesInNames", Command::Logits, weights,
         holding(safetensors(R"({"a\nb\u001b[2J":{}})")), "tensor a?b?[2J"},
        {"IndexNotJson", Command::Logits, index, indexHolding("{,"), "line 1, column 2"},
        {"IndexLeadsOut", Command::Logits, index,
         indexHolding(R"({"weight_map": {"t": "../../etc/passwd"}})"), "bare name of a file"},
        {"IndexEndlesslyNested", Command::Inspect, index,
         indexHolding("{\"weight_map\":" + std::string(1'000'000, '[')), "nested deeper"},
        {"IndexNamesAnAbsentShardToWhoReadsIt", Command::Logits, index,
         indexHolding(R"({"weight_map": {"t": "absent"}})"), "shard absent"},
        {"IndexNamesAnAbsentShard", Command::Inspect, index,
         indexHolding(R"({"weight_map": {"t": "absent"}})"), "missing (absent)"},
        {"ConfigEmpty", Command::Logits, config, holding(""), "not valid JSON"},
        {"ConfigZeroByte", Command::Logits, config,
         [](const fs::path& file) { writeFile(file, readFile(file) + std::string("\0", 1)); },
         "a zero byte"},
        {"ConfigOfHugeLayers", Command::Logits, config,
         replacing("\"num_hidden_layers\": ", "\"num_hidden_layers\": 999999999"),
         "num_hidden_layers"},
        {"ConfigEndless", Command::Inspect, config, makeEndless, "larger than the limit"},
        {"ConfigFifo", Command::Inspect, config, makeFifo, "not a regular file"},
        {"ConfigEndlesslyNested", Command::Inspect, config, holding(repeated("{\"a\":", 200'000)),
         "nested deeper"},
        {"ModelEmpty", Command::Tokenize, model, holding(""), "it is empty"},
        {"ModelTruncated", Command::Tokenize, model, truncate, "offset"},
        {"ModelOfOnes", Command::Tokenize, model, holding(std::string(9999, '\xFF')),
         "longer than 64 bits"},
        {"ModelFifo", Command::Tokenize, model, makeFifo, "not a regular file"},
        {"ModelEndless", Command::Tokenize, model, makeEndless, "larger than the limit"},
        {"ModelLinkedToItself", Command::Tokenize, model, linkToItself, "Too many levels"},
        {"JsonEmpty", Command::Tokenize, json, jsonHolding(""), "not valid JSON"},
        {"JsonWithoutModel", Command::Tokenize, json, jsonHolding("{}"), "model"},
        {"JsonEndlesslyNested", Command::Tokenize, json,
         jsonHolding("{\"model\":" + std::string(1'000'000, '[')), "deeper than 24"},
        {"JsonEndless", Command::Tokenize, json,
         [](const fs::path& file) {
             fs::remove(file.parent_path() / "tokenizer.model");
             makeEndless(file);
         },
         "larger than the limit"},
        {"SettingsNotJson", Command::Tokenize, "tokenizer_config.json", holding("["),
         "tokenizer_config.json"},
        {"SettingsLinkedToThemselves", Command::Tokenize, "tokenizer_config.json", linkToItself,
         "Too many levels"},
    };
}

double processorSeconds(const rusage& usage)
{
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Of all programs that this one started and waited for.
rusage usageOfPrograms()
{
    rusage usage = {};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    return usage;
}

class MalformedFiles : public ::testing::TestWithParam<MalformedFile> {
protected:
    std::vector<std::string> arguments(const fs::path& folder) const
    {
        switch (GetParam().command) {
        case Command::InspectFile:
            return {"inspect", folder / GetParam().file};
        case Command::Inspect:
            return {"inspect", folder};
        case Command::Tokenize:
            return {"tokenize", "--model", folder, "--text", "To be"};
        case Command::Logits:
            return {"logits",
                    "--model",
                    folder,
                    "--ids",
                    folder / "ids.json",
                    "--out",
                    folder / "logits.safetensors"};
        }
        return {};
    }

    ScratchFolder m_scratch;
};

TEST_P(MalformedFiles, AreRefusedInOneLineSoonAndWithoutASignal)
{
    const fs::path folder = copyOfModel("tiny-shakespeare", m_scratch / "model");
    writeFile(folder / "ids.json", "[1, 2, 3]");
    GetParam().spoil(folder / GetParam().file);
    const double before = processorSeconds(usageOfPrograms());
    const Outcome outcome = run(arguments(folder));
    const rusage usage = usageOfPrograms();

    EXPECT_EQ(outcome.status, 3) << outcome.err;
    const std::string line = outcome.lastErrorLine();
    EXPECT_TRUE(line.starts_with("longlora: ")) << outcome.err;
    EXPECT_NE(line.find(GetParam().file), std::string::npos) << line;
    EXPECT_NE(line.find(GetParam().reason), std::string::npos) << line;
    EXPECT_EQ(line.find('\x1B'), std::string::npos) << line;
    EXPECT_LT(line.size(), 2000U);
    EXPECT_LT(processorSeconds(usage) - before, 1.0);
    EXPECT_LT(usage.ru_maxrss, 2L << 20) << "kilobytes";
    EXPECT_FALSE(fs::exists(folder / "logits.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Program, MalformedFiles, ::testing::ValuesIn(malformedFiles()),
                         [](const auto& item) { return item.param.name; });

} // namespace

} // namespace longlora::test
