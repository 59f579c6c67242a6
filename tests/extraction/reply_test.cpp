#include "extraction/reply.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "base/failure.hpp"
#include "extraction/text.hpp"
#include "support/scale.hpp"

using namespace memoir;
using namespace memoir::extraction;

namespace {

nlohmann::json golden() {
    std::ifstream file(TEST_DATA_DIR "/replies.json");
    return nlohmann::json::parse(file);
}

nlohmann::json as_golden(const Facts& facts) {
    auto list = nlohmann::json::array();
    for (const auto& fact : facts.facts)
        list.push_back({{"content", fact.content},
                        {"confidence", fact.confidence},
                        {"event_at", fact.event_at ? nlohmann::json(*fact.event_at) : nlohmann::json()}});
    return list;
}

// The reason of the failure, empty when there was none.
std::string failure_of(std::string_view reply) {
    try {
        parse_facts(reply);
        return {};
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::job);
        return failure.reason();
    }
}

std::string one_fact(const std::string& members) {
    return R"({"facts":[{)" + members + "}]}";
}

Fact fact_of(const std::string& members) {
    const auto facts = parse_facts(one_fact(members));
    REQUIRE(facts.facts.size() == 1);
    return facts.facts.front();
}

int confidence_of(const std::string& value) {
    return fact_of(R"("content":"A","confidence":)" + value).confidence;
}

std::string contents(std::string_view reply) {
    std::string all;
    for (const auto& fact : parse_facts(reply).facts) all += fact.content + "|";
    return all;
}

// Of this thread: what other programs do on a busy machine does not count.
std::chrono::nanoseconds cpu_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

const std::string tea = R"({"facts":[{"content":"tea","confidence":0.9}]})";

}  // namespace

TEST_CASE("reads every recorded reply as expected") {
    const auto cases = golden();
    CHECK(cases.size() >= 27);
    for (const auto& item : cases) {
        INFO(item["name"].get<std::string>() << ": " << item["why"].get<std::string>());
        const auto raw = item["raw"].get<std::string>();
        if (item["expect"] == "error")
            CHECK(failure_of(raw) != "");
        else
            CHECK(as_golden(parse_facts(raw)) == item["expect"]);
    }
}

TEST_CASE("keeps the good facts of a list and counts the others") {
    const auto facts = parse_facts(R"({"facts":[
        {"content":"good","confidence":0.5}, "text", {"content":3,"confidence":1}, {"content":"no confidence"},
        {"content":"null","confidence":null}, {"content":"  \u3000","confidence":1},
        {"content":"dated","confidence":1,"event_at":"last week"}]})");
    REQUIRE(facts.facts.size() == 2);
    CHECK(facts.malformed == 4);
    CHECK(facts.blank == 1);
    CHECK(facts.bad_dates == 1);
    CHECK(facts.facts[1] == Fact{"dated", 100, std::nullopt});
}

TEST_CASE("a list of malformed facts alone is a failure, one of blank facts is a success") {
    CHECK(failure_of(one_fact(R"("content":"A")")) ==
          "reply holds no usable fact: 1 malformed, 0 blank, 0 too long");
    CHECK(parse_facts(one_fact(R"("content":" ","confidence":1)")).blank == 1);
}

TEST_CASE("a reply without a list of facts is a failure and not silence") {
    CHECK(failure_of("") == "reply holds no list of facts (0 bytes)");
    CHECK(failure_of("[]") == "reply holds no list of facts (2 bytes)");
    CHECK(failure_of(R"({"summary":"none"})") != "");
    CHECK(failure_of(R"({"facts":"none"})") != "");
    CHECK(failure_of(R"({"facts":{"content":"A","confidence":1}})") != "");
    CHECK(failure_of(R"({"facts":[{"content":"A","confidence":1},{"content":"cut sh)") != "");
}

TEST_CASE("of two lists of facts in a row the first counts, of two keys in one object the last") {
    CHECK(contents(tea + R"({"facts":[]})") == "tea|");
    CHECK(contents(R"({"facts":[],"facts":[{"content":"B","confidence":1}]})") == "B|");
    CHECK(contents(R"({"fa\u0063ts":[{"content":"B","confidence":1}]})") == "B|");
    CHECK(failure_of(R"({"facts":[],"facts":7})") != "");
}

TEST_CASE("finds the list in a wrapper object, in an array and inside a string that never ended") {
    CHECK(contents(R"({"result":{"ok":true},"answer":{"data":)" + tea + "}}") == "tea|");
    CHECK(contents("[" + tea + "]") == "tea|");
    CHECK(contents(R"({ "oops: )" + tea) == "tea|");
}

TEST_CASE("what stands in a reasoning block is no answer") {
    CHECK(contents("<think>" + tea + R"(</think>{"facts":[]})").empty());
    CHECK(contents("<THINKING>" + tea + R"(</Thinking> {"facts":[]})").empty());
    CHECK(contents("<think>a</think>" + tea + " <think>b</think>") == "tea|");
    CHECK(failure_of("<think> I would say " + tea) != "");
    SECTION("nor what stands before an orphaned closing tag") {
        CHECK(contents(R"(draft {"facts":[]} done</think>)" + tea) == "tea|");
        CHECK(failure_of("draft " + tea + "</think> I cannot help with that") != "");
    }
    SECTION("a tag within an answer is content") {
        CHECK(contents(R"({"facts":[{"content":"<think> x","confidence":1}]})") == "<think> x|");
        CHECK(contents(tea + R"({"facts":[{"content":"</think>","confidence":1}]})") == "tea|");
    }
}

TEST_CASE("confidence is a 32-bit float in percent, rounded half away from zero and clamped") {
    CHECK(confidence_of("0.285") == 29);
    CHECK(confidence_of("0.284") == 28);
    CHECK(confidence_of("0.005") == 1);
    CHECK(confidence_of("85") == 100);
    CHECK(confidence_of("-1") == 0);
    CHECK(confidence_of("NaN") == 0);
    CHECK(confidence_of("Infinity") == 100);
    CHECK(confidence_of("-Infinity") == 0);
    CHECK(confidence_of("-1e400") == 0);
    CHECK(confidence_of("1e-400") == 0);
    CHECK(confidence_of("0." + std::string(400, '0') + "1") == 0);
    CHECK(confidence_of("1" + std::string(400, '0')) == 100);
    CHECK(confidence_of("+.5") == 50);
    CHECK(confidence_of(R"(" 90 % ")") == 90);
    CHECK(confidence_of(R"("1")") == 100);
    for (const auto* word : {"true", "null", "[]", "{}", R"("")", R"("high")", R"("0.9 or so")", R"("%")"})
        CHECK(failure_of(one_fact(R"("content":"A","confidence":)" + std::string(word))) != "");
}

TEST_CASE("content that Postgres could not store is mended") {
    const auto content = [](const std::string& literal) {
        return fact_of(R"("confidence":1,"content":")" + literal + '"').content;
    };
    CHECK(content(R"(a\ud83cb)") ==
          "a\xEF\xBF\xBD"
          "b");
    CHECK(content(R"(\udf75)") == "\xEF\xBF\xBD");
    CHECK(content(R"(\ud83c\ud83c\udf75)") == "\xEF\xBF\xBD\xF0\x9F\x8D\xB5");
    CHECK(content("a\xff\xfe") == "a\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(content("\xED\xA0\x80x").back() == 'x');
    CHECK(content(std::string("a\0b", 3)) == "ab");
    CHECK(content(R"(regex \d+ and it\'s \/)") == R"(regex \d+ and it's /)");
    CHECK(content(R"(\u12)") == R"(\u12)");
    CHECK(content(R"(  kept  )") == "  kept  ");
}

TEST_CASE("content of nothing but U+0000 and blanks is blank, 8,000 characters are allowed") {
    CHECK(parse_facts(one_fact(R"("content":"\u0000 \u00a0","confidence":1)")).blank == 1);
    const auto repeated = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += "本";
        return one_fact(R"("confidence":1,"content":")" + text + '"');
    };
    CHECK(parse_facts(repeated(8000)).facts.size() == 1);
    CHECK(parse_facts(repeated(8001)).too_long == 1);
}

TEST_CASE("a kept reply comes back as it went into the journal") {
    const auto facts = parse_facts(R"({"facts":[{"content":"a \"b\" é","confidence":0.4},{"content":" ",
        "confidence":1},{"content":"c","confidence":1,"event_at":"2026-01-02T03:04:05.678Z"}, 1]})");
    CHECK(facts_from_json(to_json(facts)) == facts);
    CHECK_THROWS_AS(facts_from_json("{}"), std::invalid_argument);
    CHECK_THROWS_AS(facts_from_json("["), std::invalid_argument);
}

TEST_CASE("the reason of a failure never quotes the reply") {
    for (const auto* reply : {R"(hunter2)", R"({"facts":["hunter2"]})",
                              R"({"facts":[{"content":"hunter2"}]})", R"({"hunter2":1})"})
        CHECK(failure_of(reply).find("hunter2") == std::string::npos);
}

TEST_CASE("no reply of a megabyte is slow") {
    const auto repeated = [](std::string_view piece, std::string_view front = "") {
        std::string text(front);
        while (text.size() + piece.size() <= (1 << 20)) text += piece;
        return text;
    };
    const std::pair<const char*, std::string> replies[] = {
        {"braces", repeated("{")},
        {"nested objects", repeated(R"({"a":)")},
        {"nested arrays", repeated("[", R"({"facts":)")},
        {"comments that never end", repeated("{/*")},
        {"line comments", repeated("{//")},
        {"strings of braces", repeated("{//", "{\"")},
        {"unclosed thinking", repeated("<think>")},
        {"orphaned closing tags", repeated("</think>{\"facts\":[]}")},
        {"half tags", repeated("<think")},
        {"thinking and other thinking", repeated("<think></thinking>")},
        {"escapes", repeated("\\u0000", "{\"facts\":[{\"content\":\"")},
        {"quotes", repeated("{\"\":\"\",")},
        {"nothing", std::string(1 << 20, '\0')},
        {"digits", repeated("9", R"({"facts":[{"content":"a","confidence":)")},
        {"too long", std::string((1 << 20) + 1, 'x')},
        {"facts within facts", repeated(R"({"facts":[)")},
        {"small facts", repeated(R"({"content":"a","confidence":1},)", R"({"facts":[)") + "]}"},
    };
    for (const auto& [name, reply] : replies) {
        INFO(name);
        const auto begin = cpu_time();
        failure_of(reply);
        // Generous for sanitizers; quadratic work would take minutes.
        CHECK(cpu_time() - begin < std::chrono::seconds(5));
    }
    CHECK(failure_of(repeated("{//", "{\"")).starts_with("reply is too tangled to read"));
}

TEST_CASE("what 20,000 mutations of the recorded replies give is a failure or storable facts") {
    std::vector<std::string> seeds;
    for (const auto& item : golden()) seeds.push_back(item["raw"].get<std::string>().substr(0, 600));
    const std::vector<std::string> pieces = {
        "{", "}", "[",  "]",  "\"", "\\",    "\\u", "d83c", "\\u0000", "<think>", "</think>",
        ",", ":", "//", "/*", "*/", "1e999", "NaN", "null", "\xff",    "-",       "facts"};
    std::mt19937 random(20261123);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    int parsed = 0;
    const int rounds = memoir::test::scaled(20'000, 1'000);
    for (int round = 0; round < rounds; ++round) {
        auto text = seeds[below(seeds.size())];
        for (auto edits = 1 + below(4); edits > 0; --edits) {
            const auto at = below(text.size() + 1);
            switch (below(4)) {
                case 0:
                    text.insert(at, pieces[below(pieces.size())]);
                    break;
                case 1:
                    text.erase(at, below(6));
                    break;
                case 2:
                    text = text.substr(0, at);
                    break;
                default:
                    text += seeds[below(seeds.size())].substr(0, below(200));
                    break;
            }
        }
        try {
            const auto facts = parse_facts(text);
            ++parsed;
            for (const auto& fact : facts.facts) {
                if (fact.confidence < 0 || fact.confidence > 100 || is_blank(fact.content) ||
                    count_scalars(fact.content) > 8000 || clean(fact.content) != fact.content)
                    FAIL("not storable: round " << round);
            }
        } catch (const Failure& failure) {
            if (failure.type() != FailureType::job) FAIL("wrong type: round " << round);
        }
    }
    CHECK(parsed > rounds / 10);
    CHECK(parsed < rounds - rounds / 20);
}

TEST_CASE("a reply that is {} and no more is an empty list of facts") {
    for (const auto* reply :
         {"{}", " {\n}\n", "<think>hm {x}</think>{}", "```json\n{}\n```", "{}</think>{}"}) {
        CAPTURE(reply);
        CHECK(parse_facts(reply) == Facts{});
    }
    for (const auto* reply : {"{} none", "[{}]", "{}{}", "{", "<think>{}", R"({"a":1})", "none: {}"}) {
        CAPTURE(reply);
        CHECK(failure_of(reply) != "");
    }
}

TEST_CASE("of a reply with more facts than are allowed the first are taken and the others counted") {
    std::string reply = R"({"facts":[{"content":"first","confidence":1})";
    for (int at = 1; at < 33'000; ++at) reply += R"(,{"content":"x","confidence":1})";
    reply += "]}";
    REQUIRE(reply.size() < max_reply_bytes + 100'000);
    const auto facts = parse_facts(reply);
    CHECK(facts.facts.size() == 500);
    CHECK(facts.facts.front().content == "first");
    CHECK(facts.beyond == 32'500);
    CHECK(facts_from_json(to_json(facts)) == facts);
    CHECK(parse_facts(reply, 33'000).beyond == 0);
    CHECK(facts_from_json(R"({"facts":[],"blank":0,"too_long":0,"malformed":0,"bad_dates":0})").beyond == 0);
}
