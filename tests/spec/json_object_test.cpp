// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

std::string refusal(const std::string& text)
{
    return test::messageOf<FormatError>([&] { JsonObject::parse(text, "f.json"); });
}

TEST(JsonObject, ReadsTypedValues)
{
    const JsonObject json = JsonObject::parse(
        R"({"i": -3, "d": 2.5, "b": true, "s": "x", "n": null, "o": {"k": 1}, "l": [1, 2],
            "w": ["a", "b"]})",
        "f.json");
    EXPECT_EQ(json.integer("i", -10, 10), -3);
    EXPECT_EQ(json.number("d", 0, 10), 2.5);
    EXPECT_EQ(json.number("i", -10, 10), -3.0);
    EXPECT_TRUE(json.boolean("b"));
    EXPECT_EQ(json.text("s"), "x");
    EXPECT_FALSE(json.has("n"));
    EXPECT_EQ(json.object("o").integer("k", 0, 1), 1);
    EXPECT_EQ(json.integers("l", 0, 9), (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(json.texts("w"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(json.integerOr("absent", 7, 0, 9), 7);
    EXPECT_EQ(json.textOr("n", "was null"), "was null");
    EXPECT_EQ(json.keys().front(), "i");
}

TEST(JsonObject, RefusalsNameFileKeyAndValue)
{
    const JsonObject json =
        JsonObject::parse(R"({"a": {"i": 3, "d": 1.5, "u": 18446744073709551615}})", "f.json");
    const JsonObject inner = json.object("a");
    const auto message = [](const auto& get) { return test::messageOf<FormatError>(get); };
    EXPECT_EQ(message([&] { inner.integer("i", 5, 9); }), "f.json, key a.i: 3 is outside 5 to 9");
    EXPECT_EQ(message([&] { inner.integer("d", 0, 9); }),
              "f.json, key a.d: must be a whole number, not 1.5");
    EXPECT_EQ(message([&] { inner.integer("u", 0, INT64_MAX); }),
              "f.json, key a.u: 18446744073709551615 is outside 0 to 9223372036854775807");
    EXPECT_EQ(message([&] { inner.text("i"); }), "f.json, key a.i: must be a string, not 3");
    EXPECT_EQ(message([&] { inner.integer("x", 0, 1); }), "f.json, key a.x: missing");
    EXPECT_EQ(message([&] { json.integer("a", 0, 1); }),
              "f.json, key a: must be a whole number, not an object");
}

TEST(JsonObject, RefusesUnsoundText)
{
    EXPECT_NE(refusal("{\"a\": 1, \"a\": 2}").find("key a: the key stands twice"),
              std::string::npos);
    EXPECT_NE(refusal("{\"a\": NaN}").find("f.json, line 1, column 7: not valid JSON"),
              std::string::npos);
    EXPECT_NE(refusal("{\"a\": 1e999}").find("f.json"), std::string::npos);
    EXPECT_NE(refusal("{\"a\": Infinity}").find("not valid JSON"), std::string::npos);
    EXPECT_NE(refusal("{\"a\": 1").find("not valid JSON"), std::string::npos);
    EXPECT_NE(refusal("{} {}").find("not valid JSON"), std::string::npos);
    EXPECT_NE(refusal("").find("not valid JSON"), std::string::npos);
    EXPECT_NE(refusal("{\"\xff\": 1}").find("not valid JSON"), std::string::npos);
    EXPECT_NE(refusal(std::string("{}\0hidden", 9)).find("f.json, offset 2"), std::string::npos);
    EXPECT_NE(refusal("[1]").find("must be a JSON object"), std::string::npos);
}

TEST(JsonObject, RefusesDeepAndLargeText)
{
    const auto nested = [](int depth) {
        std::string text;
        for (int i = 0; i < depth; ++i) {
            text += "{\"a\":";
        }
        return text + "1" + std::string(static_cast<std::size_t>(depth), '}');
    };
    EXPECT_NO_THROW(JsonObject::parse(nested(16), "f.json"));
    EXPECT_NE(refusal(nested(17)).find("nested deeper than 16 levels"), std::string::npos);
    EXPECT_NE(refusal(nested(100000)).find("nested deeper than 16 levels"), std::string::npos);
    const std::string big = "{\"a\": \"" + std::string(1 << 20, 'x') + "\"}";
    EXPECT_NE(refusal(big).find("larger than the limit of 1 MiB"), std::string::npos);
}

TEST(JsonObject, TheSameKeyInTwoObjectsIsFine)
{
    EXPECT_NO_THROW(JsonObject::parse(R"({"a": {"k": 1}, "b": {"k": 1}})", "f.json"));
}

TEST(JsonObject, OutlivesTheObjectItCameFrom)
{
    const JsonObject inner = JsonObject::parse(R"({"a": {"k": "v"}})", "f.json").object("a");
    EXPECT_EQ(inner.text("k"), "v");
}

} // namespace
} // namespace longlora
