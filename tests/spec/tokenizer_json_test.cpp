// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/bpe/json_tokenizer.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora {
namespace {

using Json = nlohmann::json;

const char* const kSmall = R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 4, "content": "<s>", "single_word": false, "lstrip": false,
                      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                      "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null,
              "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
              "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}, "merges": ["a b", ["ab", "a"]]}})";

TEST(TokenizerJson, TheSmallFileThatTheOthersAreMadeOfIsRead)
{
    const JsonTokenizer tokenizer(kSmall, "small", {});
    EXPECT_EQ(tokenizer.encode("aba<s>a", true), (std::vector<TokenId>{4, 3, 4, 0}));
    EXPECT_EQ(tokenizer.vocabularySize(), 5);
}

struct Malformed {
    const char* name;
    const char* pointer;  ///< what of the small file is replaced
    const char* value;    ///< JSON; "-": it is removed
    const char* expected; ///< in the message
};

class MalformedTokenizerJson : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTokenizerJson, IsRefusedByName)
{
    Json json = Json::parse(kSmall);
    const Json::json_pointer pointer(GetParam().pointer);
    if (std::string(GetParam().value) == "-") {
        json[pointer.parent_pointer()].erase(pointer.back());
    } else {
        json[pointer] = Json::parse(GetParam().value);
    }
    try {
        const JsonTokenizer tokenizer(json.dump(), "small", {});
        FAIL() << "was read";
    } catch (const FormatError& error) {
        EXPECT_EQ(error.exitStatus(), ExitStatus::Data);
        const std::string message = error.describe();
        EXPECT_EQ(message.find("small"), 0U) << message;
        EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
    }
}

const Malformed kMalformed[] = {
    {"UnknownVersion", "/version", "\"2.0\"", "version"},
    {"NoModel", "/model", "-", "key model: missing"},
    {"ModelIsNumber", "/model", "7", "model"},
    {"ModelIsArray", "/model", "[]", "model"},
    {"WordPiece", "/model/type", "\"WordPiece\"", "the model WordPiece is not supported"},
    {"Unigram", "/model", R"({"type": "Unigram", "vocab": [["a", 0.5], ["b", -1]]})",
     "the model Unigram is not supported"},
    {"TypeIsNumber", "/model/type", "1", "key model.type"},
    {"UnknownFieldOfModel", "/model/new_rule", "true", "key model.new_rule: not known"},
    {"Dropout", "/model/dropout", "0.1", "model.dropout"},
    {"SubwordPrefix", "/model/continuing_subword_prefix", "\"##\"", "continuing_subword_prefix"},
    {"WordSuffix", "/model/end_of_word_suffix", "\"</w>\"", "end_of_word_suffix"},
    {"NoVocabulary", "/model/vocab", "-", "key model.vocab: missing"},
    {"VocabularyIsNull", "/model/vocab", "null", "key model.vocab: missing"},
    {"VocabularyIsArray", "/model/vocab", "[]", "key model.vocab: must be an object"},
    {"VocabularyIsEmpty", "/model/vocab", "{}", "the vocabulary is empty"},
    {"IdIsText", "/model/vocab/a", "\"0\"", "must be a whole number"},
    {"IdIsFraction", "/model/vocab/a", "0.5", "must be a whole number, not 0.5"},
    {"IdIsObject", "/model/vocab/a", "{}", "must be a whole number, not an object"},
    {"IdIsArray", "/model/vocab/a", "[0]", "must be a whole number, not an array"},
    {"IdIsNegative", "/model/vocab/a", "-1", "id -1 of token"},
    {"IdIsHuge", "/model/vocab/a", "18446744073709551615", "is not between 0 and"},
    {"TwoTokensOfOneId", "/model/vocab/a", "1", "both have id 1"},
    {"TokenIsEmpty", "/model/vocab/", "9", "is empty"},
    {"UnkIsNoToken", "/model/unk_token", "\"<unk>\"", "key model.unk_token"},
    {"UnkIsNumber", "/model/unk_token", "0", "key model.unk_token"},
    {"NoMerges", "/model/merges", "-", "key model.merges: missing"},
    {"MergesAreObject", "/model/merges", "{}", "key model.merges: must be an array"},
    {"MergeIsNumber", "/model/merges/1", "3", "key model.merges[1]"},
    {"MergeIsNull", "/model/merges/1", "null", "key model.merges[1]"},
    {"MergeIsObject", "/model/merges/0", "{}", "key model.merges[0]"},
    {"MergeOfOne", "/model/merges/0", "\"ab\"", "one space"},
    {"MergeOfThree", "/model/merges/0", "\"a b a\"", "one space"},
    {"PairOfOne", "/model/merges/1", "[\"ab\"]", "two tokens, not 1"},
    {"PairOfThree", "/model/merges/1", R"(["ab", "a", "b"])", "two tokens, not 3"},
    {"PairOfArrays", "/model/merges/1", R"([["ab"], "a"])", "key model.merges[1]"},
    {"MergeOfUnknown", "/model/merges/0", "\"a x\"", "\"x\" is not in the vocabulary"},
    {"MergeToUnknown", "/model/merges/0", "\"b b\"", "\"bb\" is not in the vocabulary"},
    {"ByteFallbackAtByteLevel", "/model/byte_fallback", "true", "key model.byte_fallback"},
    {"FlagIsNumber", "/model/fuse_unk", "1", "key model.fuse_unk"},
    {"UnknownNormalizer", "/normalizer", R"({"type": "NFKC"})",
     "the normalizer NFKC is not supported; supported are"},
    {"NormalizerWithoutType", "/normalizer", "{}", "key normalizer.type: missing"},
    {"NormalizerIsText", "/normalizer", "\"NFC\"", "key normalizer"},
    {"ReplacedPattern", "/normalizer",
     R"({"type": "Replace", "pattern": {"Regex": " "}, "content": "x"})",
     "key normalizer.pattern.Regex: not known"},
    {"ReplacedNothing", "/normalizer",
     R"({"type": "Replace", "pattern": {"String": ""}, "content": "x"})", "1 to 4,096 bytes"},
    {"UnknownInSequence", "/normalizer",
     R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]})",
     "key normalizer.normalizers[1].type: the normalizer Lowercase"},
    {"SequenceOfText", "/normalizer", R"({"type": "Sequence", "normalizers": ["NFC"]})",
     "key normalizer.normalizers[0]"},
    {"UnknownPreTokenizer", "/pre_tokenizer", R"({"type": "Whitespace"})",
     "the pre-tokenizer Whitespace is not supported"},
    {"UnknownFieldOfPreTokenizer", "/pre_tokenizer/regex", "\"x\"",
     "key pre_tokenizer.regex: not known"},
    {"ByteLevelNotLast", "/pre_tokenizer",
     R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false},
         {"type": "Digits", "individual_digits": true}]})",
     "ByteLevel, which must come last"},
    {"PatternDoesNotClose", "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false})",
     "key pre_tokenizer.pattern.Regex: the pattern has a group without an end"},
    {"PatternFindsNothing", "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "Isolated", "invert": false})",
     "finds what is empty"},
    {"UnknownBehavior", "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Apart", "invert": false})",
     "\"Apart\" is not known"},
    {"NoInvert", "/pre_tokenizer",
     R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Isolated"})",
     "key pre_tokenizer.invert: missing"},
    {"MetaspaceOfTwo", "/pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})",
     "one character"},
    {"MetaspaceScheme", "/pre_tokenizer",
     R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})", "\"last\""},
    {"MetaspaceContradiction", "/pre_tokenizer",
     R"({"type": "Metaspace", "replacement": "_", "add_prefix_space": false,
         "prepend_scheme": "first"})",
     "contradicts"},
    {"UnknownDecoder", "/decoder", R"({"type": "CTC"})", "the decoder CTC is not supported"},
    {"StripOfText", "/decoder", R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})",
     "one character"},
    {"StripBelowZero", "/decoder", R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})",
     "key decoder.start"},
    {"Roberta", "/post_processor", R"({"type": "RobertaProcessing", "sep": ["</s>", 2]})",
     "the post-processor RobertaProcessing is not supported"},
    {"TemplateWithoutText", "/post_processor/single", "[]", "no place for the text"},
    {"TemplateOfPairs", "/post_processor/single/1/Sequence/id", "\"B\"", "must be \"A\", once"},
    {"TemplateOfUnknown", "/post_processor/single/0/SpecialToken/id", "\"<x>\"",
     "key post_processor.special_tokens.<x>: missing"},
    {"TemplateOfNoToken", "/post_processor/special_tokens/<s>/ids/0", "77", "id 77"},
    {"TemplateOfText", "/post_processor/special_tokens/<s>/ids/0", "\"4\"", "whole number"},
    {"TokenBehindTheText", "/post_processor/single",
     R"([{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<s>"}}])", "puts token 4 behind"},
    {"TwoTemplates", "/post_processor",
     R"({"type": "Sequence", "processors": [
         {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}},
          {"Sequence": {"id": "A"}}], "special_tokens": {"s": {"ids": [4]}}},
         {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}],
          "special_tokens": {}}]})",
     "a second template"},
    {"AddedTokensAreObject", "/added_tokens", "{}", "key added_tokens: must be an array"},
    {"AddedTokenWithoutId", "/added_tokens/0/id", "-", "key added_tokens[0].id: missing"},
    {"AddedTokenIsEmpty", "/added_tokens/0/content", "\"\"", "key added_tokens[0].content"},
    {"AddedTokenOfWords", "/added_tokens/0/single_word", "true", "single_word"},
    {"AddedTokenElsewhere", "/added_tokens/0/id", "5", "has id 5 in the file, but 4 by its place"},
    {"AddedTokenContradicts", "/added_tokens/0/content", "\"ab\"", "but 2 in the vocabulary"},
    {"AddedTokenOfHugeId", "/added_tokens/0/id", "4000000000", "is outside"},
};

INSTANTIATE_TEST_SUITE_P(All, MalformedTokenizerJson, testing::ValuesIn(kMalformed),
                         [](const auto& tested) { return std::string(tested.param.name); });

/// Texts that are no JSON, or more than is allowed of it.
TEST(TokenizerJson, BrokenTextsAreRefusedWithTheirPlace)
{
    const std::string small = kSmall;
    std::string manyKeys = "{\"x\": {";
    for (int i = 0; i < 30'000; ++i) {
        manyKeys += "\"" + std::to_string(i) + "\": 0,";
    }
    const std::string deep(1'000'000, '[');
    for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
             {"", "not valid JSON"},
             {"7", "must be a JSON object"},
             {"[]", "must be a JSON object"},
             {small.substr(0, small.size() / 2), "line"},
             {small + "x", "line"},
             {small + std::string("\0x", 2), "a zero byte"},
             {"{\"model\": {\"vocab\": {\"a\": 1e999}}}", ""},
             {"{\"model\": {\"vocab\": {\"a\xFF\": 1}}}", "not valid JSON"},
             {"{\"model\": {}, \"model\": {}}", "key model: the key stands twice"},
             {"{\"model\": {\"vocab\": {}, \"vocab\": {}}}", "key vocab: the key stands twice"},
             {R"({"model": {"merges": [], "vocab": {"a": 0, "a": 1}}})", "stands twice"},
             {R"({"model": {"merges": [], "vocab": {"a": 0, "a": 0}}})", "both have id 0"},
             {manyKeys + "\"y\": 0}}", "more than 20000 keys"},
             {deep, "deeper than 24 levels"},
             {"{\"model\": {\"vocab\": " + deep, "deeper than 24 levels"},
             {"{\"model\": {\"merges\": " + deep, "merges[0]"},
             {"{\"x\": \"" + std::string(17 << 20, 'x') + "\", \"y\": 0}", "more than 16 MB"}}) {
        const std::string message =
            test::messageOf<FormatError>([&, &text = text] { JsonTokenizer(text, "broken", {}); });
        EXPECT_NE(message.find(part), std::string::npos) << message;
        EXPECT_EQ(message.find("broken"), 0U) << message;
    }
}

} // namespace
} // namespace longlora
