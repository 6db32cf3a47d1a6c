// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/make_demo/demo_files.h"

#include "app/make_demo/corpus.h"
#include "app/make_demo/practice_rows.h"
#include "core/engine/checkpoint/new_model.h"
#include "core/engine/tensor/prepare_compute.h"
#include "core/engine/train/training_run.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "core/spec/evaluate/demo_retrieval.h"

#include <nlohmann/json.hpp>
#include <sentencepiece_trainer.h>

#include <array>
#include <cstdio>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kBaseContext = 256;
constexpr std::int64_t kContextFactor = 4;
constexpr std::int64_t kVocabulary = 1024;
constexpr std::int64_t kTokensPerStep = 4096;
/// Small enough for the activations of a layer to stay in the cache.
constexpr std::int64_t kTokensPerMicroBatch = 1024;
constexpr const char* kBookKey = "73914";
constexpr const char* kPassageBegins = "MASTER.\n";

/// Short rows first: copying is learnt where the way back is short.
struct Stage {
    std::int64_t length;
    std::int64_t steps;
    double learningRate;
    ScheduleKind schedule;
};
constexpr std::array<Stage, 4> kStages{{
    {64, 400, 3e-3, ScheduleKind::Constant},
    {128, 500, 3e-3, ScheduleKind::Constant},
    {kBaseContext, 2000, 3e-3, ScheduleKind::Cosine},
    {kBaseContext, 1300, 2e-3, ScheduleKind::Cosine},
}};

ModelConfig baseConfig()
{
    ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.vocabularySize = kVocabulary;
    config.hiddenSize = 128;
    config.intermediateSize = 344;
    config.layerCount = 4;
    config.headCount = 4;
    config.kvHeadCount = 4;
    config.headDim = 32;
    config.maxPositionEmbeddings = kBaseContext;
    config.tiedEmbeddings = true;
    config.rope.theta = 500.0;
    config.storedDtype = "float32";
    config.bosTokenId = 1;
    config.eosTokenIds = {2};
    return config;
}

void makeTokenizer(const fs::path& folder, const std::string& text)
{
    if (fs::exists(folder / "tokenizer.model")) {
        return;
    }
    fs::create_directories(folder);
    writeFileAtomically(folder / "text.txt", text);
    const auto status = sentencepiece::SentencePieceTrainer::Train(
        "--input=" + (folder / "text.txt").string() + " --model_prefix=" +
        (folder / "tokenizer").string() + " --vocab_size=" + std::to_string(kVocabulary) +
        " --model_type=bpe --byte_fallback=true --split_digits=true"
        " --normalization_rule_name=identity --remove_extra_whitespaces=false"
        " --user_defined_symbols= --character_coverage=1.0 --num_threads=1");
    if (!status.ok()) {
        throw DataError("the tokenizer could not be trained: " + status.ToString());
    }
    const nlohmann::ordered_json settings{{"add_bos_token", true},
                                          {"add_eos_token", false},
                                          {"bos_token", "<s>"},
                                          {"eos_token", "</s>"},
                                          {"unk_token", "<unk>"},
                                          {"legacy", false},
                                          {"model_max_length", kBaseContext},
                                          {"tokenizer_class", "LlamaTokenizer"}};
    writeFileAtomically(folder / "tokenizer_config.json", settings.dump(2) + "\n");
    fs::remove(folder / "text.txt");
    fs::remove(folder / "tokenizer.vocab");
}

RunConfig stageConfig(const Stage& stage, const fs::path& model, const fs::path& rows,
                      std::int64_t seed, double effort)
{
    RunConfig config;
    config.model = model;
    config.runName = "base-" + std::to_string(stage.length);
    config.seed = seed;
    config.method = TrainingMethod::Full;
    config.data.train = {rows};
    config.context.length = stage.length;
    config.context.rope = ContextRope::None;
    config.attention.kind = AttentionKind::Full;
    config.optimizer.learningRate = stage.learningRate;
    config.optimizer.weightDecay = 0.05;
    config.schedule.kind = stage.schedule;
    config.schedule.steps = static_cast<std::int64_t>(effort * static_cast<double>(stage.steps));
    config.schedule.warmupSteps = 100;
    config.batch.microBatch = kTokensPerMicroBatch / stage.length;
    config.batch.accumulation = kTokensPerStep / kTokensPerMicroBatch;
    config.precision.compute = ComputePrecision::Fp32;
    config.devices.kind = DeviceKind::Cpu;
    config.checkpoint.everySteps = 0;
    return config;
}

/// Says every hundredth step.
class ConsoleSink : public EventSink {
public:
    void post(const Event& event) noexcept override
    {
        if (const auto* step = std::get_if<StepDone>(&event.body); step && step->step % 100 == 0) {
            std::fprintf(stderr, "%s step %ld loss %.4f, %.0f tokens/s\n", event.header.run.c_str(),
                         static_cast<long>(step->step), step->loss, step->tokensPerSecond);
        }
    }
};

fs::path trainStage(const RunConfig& config, const fs::path& folder)
{
    const RunDirectory directory = RunDirectory::create(folder);
    directory.writeConfig(config);
    ConsoleSink console;
    RunControl control;
    const TrainingResult result = runTraining(config, directory, {}, console, control);
    if (result.failure) {
        std::rethrow_exception(result.failure);
    }
    return folder / result.finished.adapter;
}

fs::path trainBase(const DemoPaths& paths, const Tokenizer& tokenizer, const DemoCorpus& corpus,
                   std::int64_t seed, double effort)
{
    fs::path model = paths.work / "untrained";
    if (!fs::exists(model)) {
        fs::create_directories(model);
        writeNewModel(baseConfig(), seed, model, paths.work / "tokenizer");
    }
    PracticeRows practice(tokenizer, corpus.training, static_cast<std::uint64_t>(seed));
    int number = 0;
    for (const Stage& stage : kStages) {
        const std::string name = "base-" + std::to_string(++number);
        const fs::path rows = paths.work / (name + ".jsonl");
        const RunConfig config = stageConfig(stage, model, rows, seed, effort);
        if (!fs::exists(rows)) {
            practice.write(rows, config.schedule.steps * kTokensPerStep / stage.length,
                           stage.length);
        }
        const fs::path run = paths.work / name;
        if (fs::exists(run / "model")) {
            model = run / "model";
            continue;
        }
        fs::remove_all(run);
        model = trainStage(config, run);
    }
    return model;
}

/// What the demo, the tour and the report run.
RunConfig extensionConfig()
{
    RunConfig config;
    config.model = "model";
    config.runName = "demo";
    config.data.train = {"train.jsonl"};
    config.data.validation = {"validation.jsonl"};
    config.context.length = kBaseContext * kContextFactor;
    config.context.rope = ContextRope::Llama3;
    config.attention.group = kBaseContext;
    config.attention.fullFinalFraction = 0.5;
    config.optimizer.learningRate = 4e-3;
    config.schedule.kind = ScheduleKind::Cosine;
    config.schedule.steps = 300;
    config.schedule.warmupSteps = 5;
    config.batch.microBatch = 4;
    config.batch.accumulation = 1;
    config.precision.compute = ComputePrecision::Fp32;
    config.evaluation.everySteps = 30;
    config.checkpoint.everySteps = 100;
    return config;
}

/// The book with the key in a line of its own, some way into the first scene.
std::string bookWithKey(const DemoCorpus& corpus)
{
    constexpr std::size_t kCharactersBefore = 400;
    std::string text = corpus.book;
    const std::size_t scene = text.find(kPassageBegins);
    const std::size_t keyAt = text.find('\n', scene + kCharactersBefore) + 1;
    return text.insert(keyAt, demoKeyLine(kBookKey));
}

/// As much of the book, from its first words spoken, as the extended context holds beside a few
/// questions and answers.
std::string passageOf(const std::string& book, const Tokenizer& tokenizer)
{
    constexpr std::int64_t kQuestions = 128;
    std::string text = book.substr(book.find(kPassageBegins));
    const std::int64_t room = kBaseContext * kContextFactor - kQuestions;
    // No token is longer than a word and a blank; the rest goes line by line.
    text.resize(text.rfind('\n', static_cast<std::size_t>(8 * room)) + 1);
    while (static_cast<std::int64_t>(tokenizer.encode(text, true).size()) > room) {
        text.resize(text.rfind('\n', text.size() - 2) + 1);
    }
    return text;
}

void writeTexts(const DemoPaths& paths, const Tokenizer& tokenizer, const DemoCorpus& corpus,
                std::int64_t seed)
{
    const std::int64_t length = kBaseContext * kContextFactor;
    PracticeRows practice(tokenizer, corpus.training, static_cast<std::uint64_t>(seed) + 1);
    practice.writeLongRows(paths.out / "train.jsonl", 1200, length);
    PracticeRows validation(tokenizer, corpus.heldOut, static_cast<std::uint64_t>(seed) + 2);
    validation.writeLongRows(paths.out / "validation.jsonl", 8, length);
    writeFileAtomically(paths.out / "heldout.txt", corpus.heldOut);
    const std::string book = bookWithKey(corpus);
    writeFileAtomically(paths.out / "book.txt", book);
    writeFileAtomically(paths.out / "passage.txt", passageOf(book, tokenizer));
    const nlohmann::ordered_json tour{
        {"document", "passage.txt"},
        {"question", demoQuestion()},
        {"expected", kBookKey},
        {"note",
         "This model has about a million parameters and was trained for minutes on plays. It "
         "cannot converse; it can find a pass key that stands in the text."}};
    writeFileAtomically(paths.out / "tour.json", tour.dump(2) + "\n");
    writeFileAtomically(paths.out / "run_config.json", runConfigToJson(extensionConfig()) + "\n");
}

} // namespace

void makeDemo(const DemoPaths& paths, std::int64_t seed, double effort, int threads)
{
    prepareCompute(threads);
    const DemoCorpus corpus = readDemoCorpus(paths.plays);
    const fs::path tokenizerFolder = paths.work / "tokenizer";
    makeTokenizer(tokenizerFolder, corpus.training);
    const auto tokenizer = loadTokenizer(tokenizerFolder);
    fs::create_directories(paths.out);
    writeTexts(paths, *tokenizer, corpus, seed);
    const fs::path model = trainBase(paths, *tokenizer, corpus, seed, effort);
    fs::remove_all(paths.out / "model");
    fs::copy(model, paths.out / "model", fs::copy_options::recursive);
}

} // namespace longlora
