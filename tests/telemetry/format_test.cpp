#include "telemetry/format.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "support/scale.hpp"
#include "telemetry/escape.hpp"

using namespace memoir::telemetry;

namespace {

// 2026-01-31T12:34:56.000789Z
const std::chrono::system_clock::time_point noon{std::chrono::microseconds(1'769'862'896'000'789)};

std::string json_line(Event event) {
    std::string out;
    append_json_line(out, {noon, std::move(event)});
    return out;
}

std::string text_line(Event event) {
    std::string out;
    append_text_line(out, {noon, std::move(event)});
    return out;
}

// Bytes of all kinds: ASCII with controls, valid UTF-8, and noise.
std::string random_bytes(std::mt19937& random) {
    const char* pieces[] = {
        "a",    "\n",           "\r\n",    "\"", "\\", "\xc3\xa9",         "\xe2\x80\xa8",     "\xff",
        "\xc0", "\xed\xa0\x80", "\x1b[2J", "=",  " ",  "\xf0\x9f\x98\x80", "\xf4\x90\x80\x80", "{"};
    std::string text;
    for (auto n = random() % 12; n > 0; --n) {
        if (random() % 3 == 0)
            text += static_cast<char>(random() % 256);
        else
            text += pieces[random() % std::size(pieces)];
    }
    return text;
}

std::size_t line_breaks(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return c == '\n' || c == '\r'; }));
}

}  // namespace

TEST_CASE("a JSON line has time, level, event, message and the fields with their types") {
    const auto line = json_line({Level::warning,
                                 "memoir.worker.job_failed",
                                 "job failed",
                                 {{"job_id", std::int64_t{42}},
                                  {"kind", "embed"},
                                  {"duration_ms", 1.5},
                                  {"final", true},
                                  {"ratio", std::numeric_limits<double>::infinity()}}});
    CHECK(line ==
          "{\"ts\":\"2026-01-31T12:34:56.000789Z\",\"level\":\"warning\",\"event\":\"memoir.worker.job_"
          "failed\","
          "\"message\":\"job failed\",\"job_id\":42,\"kind\":\"embed\",\"duration_ms\":1.5,\"final\":true,"
          "\"ratio\":null}\n");
}

TEST_CASE("no name stands twice in a JSON line") {
    const auto line = json_line({Level::info, "memoir.worker.status", "m", {{"event", "x"}, {"ts", "y"}}});
    const auto parsed = nlohmann::json::parse(line);
    CHECK(parsed["event"] == "memoir.worker.status");
    CHECK(parsed["event_"] == "x");
    CHECK(parsed["ts_"] == "y");
}

TEST_CASE("a text line has time, level, message and key=value") {
    CHECK(text_line({Level::info,
                     "memoir.worker.started",
                     "ready",
                     {{"loops", std::int64_t{12}}, {"lanes", "embed, llm"}, {"note", ""}, {"url", "a=b"}}}) ==
          "2026-01-31T12:34:56.000789Z info    ready event=memoir.worker.started loops=12 "
          "lanes=\"embed, llm\" note=\"\" url=\"a=b\"\n");
}

TEST_CASE("whatever bytes an event holds, it is one line, and as JSON it parses") {
    std::mt19937 random(7);
    for (int i = 0; i < memoir::test::scaled(20'000); ++i) {
        const Event event{
            Level::info, "memoir.worker.status", random_bytes(random), {{"field", random_bytes(random)}}};
        const std::string json = json_line(event), text = text_line(event);
        INFO(text);
        REQUIRE(line_breaks(json) == 1);
        REQUIRE(line_breaks(text) == 1);
        REQUIRE(text.find('\x1b') == std::string::npos);
        REQUIRE(nlohmann::json::accept(json));
        REQUIRE_NOTHROW(nlohmann::json(text).dump());  // throws where it is not UTF-8
    }
}

TEST_CASE("valid text goes through JSON unchanged") {
    for (const std::string text : {"plain", "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80", "a\"b\\c\nd\te\x01",
                                   "\xe2\x80\xae", "\xef\xbb\xbf"}) {
        const auto parsed = nlohmann::json::parse(json_line({Level::info, "e", text, {{"k", text}}}));
        CHECK(parsed["message"] == text);
        CHECK(parsed["k"] == text);
    }
}

TEST_CASE("escapes for people what moves the cursor, turns the line round or is no UTF-8") {
    const auto plain = [](const char* text) {
        std::string out;
        append_plain(out, text);
        return out;
    };
    CHECK(plain("a\nb\r\tc") == "a\\nb\\r\\tc");
    CHECK(plain("\x1b[31m") == "\\u{1b}[31m");
    CHECK(plain("\x7f") == "\\u{7f}");
    CHECK(plain("\xc2\x9b") == "\\u{9b}");  // C1: a terminal's CSI in one character
    CHECK(plain("a\xe2\x80\xae"
                "b") == "a\\u{202e}b");           // right-to-left override
    CHECK(plain("\xe2\x80\xa9") == "\\u{2029}");  // paragraph separator
    CHECK(plain("caf\xc3\xa9") == "caf\xc3\xa9");
    CHECK(plain("\xff\xfe") == "\\xff\\xfe");
    CHECK(plain("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
    CHECK(plain("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a lone surrogate
    CHECK(plain("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
    CHECK(plain("a\xe6\xbc") == "a\\xe6\\xbc");                  // cut short
}

TEST_CASE("quotes a value only where it needs to be") {
    const auto value = [](const char* text) {
        std::string out;
        append_plain_value(out, text);
        return out;
    };
    CHECK(value("memoird/host:1:abc/llm.0.7") == "memoird/host:1:abc/llm.0.7");
    CHECK(value("two words") == "\"two words\"");
    CHECK(value("say \"x\"") == "\"say \\\"x\\\"\"");
    CHECK(value("") == "\"\"");
    CHECK(value("a\nb") == "\"a\\nb\"");
}
