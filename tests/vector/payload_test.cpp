#include "vector/payload.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

using memoir::vector::normalize_numbers;
using memoir::vector::payload;
using memoir::vector::Point;
using nlohmann::json;

namespace {

Point point(std::string metadata = "{}") {
    Point p;
    p.pid = "V1StGXR8_Z5jdHi6B-myT";
    p.agent_id = "a";
    p.org_id = "o";
    p.user_id = "u";
    p.kind = "semantic";
    p.created_at_ms = 1'700'000'000'123;
    p.confidence = 29;
    p.metadata = std::move(metadata);
    return p;
}

// What metadata becomes, without our own keys.
json left_of(const std::string& metadata) {
    auto object = json::parse(payload(point(metadata)));
    for (const auto* key : {"pid", "agent_id", "org_id", "user_id", "kind", "created_at", "confidence"})
        REQUIRE(object.erase(key) == 1);
    return object;
}

}  // namespace

TEST_CASE("the payload has our keys with their types and nothing else") {
    CHECK(payload(point()) ==
          R"({"agent_id":"a","confidence":29,"created_at":1700000000123,"kind":"semantic","org_id":"o",)"
          R"("pid":"V1StGXR8_Z5jdHi6B-myT","user_id":"u"})");
}

TEST_CASE("event_at and category are there only where the memory has them") {
    auto p = point();
    p.event_at_ms = -1;
    p.category = "";
    const auto object = json::parse(payload(p));
    CHECK(object["event_at"] == -1);
    CHECK(object["event_at"].is_number_integer());
    CHECK(object["category"] == "");
    const auto without = json::parse(payload(point()));
    CHECK_FALSE(without.contains("event_at"));
    CHECK_FALSE(without.contains("category"));
}

TEST_CASE("every top-level key of metadata is in the payload with its JSON value") {
    CHECK(left_of(
              R"({"n":null,"b":true,"s":"x","list":[1,[2,{"k":null}]],"deep":{"a":{"b":1}},"a.b":2,"":3})") ==
          json::parse(
              R"({"n":null,"b":true,"s":"x","list":[1,[2,{"k":null}]],"deep":{"a":{"b":1}},"a.b":2,"":3})"));
}

TEST_CASE("a metadata key that collides with one of ours is dropped, also where the memory has none") {
    CHECK(left_of(R"({"pid":"evil","agent_id":1,"org_id":2,"user_id":3,"kind":"k","created_at":"c",
                      "confidence":"x","event_at":5,"category":"spoof","\u0070id":"escaped","Pid":"other"})") ==
          json::parse(R"({"Pid":"other"})"));
    CHECK(json::parse(payload(point(R"({"pid":"evil"})")))["pid"] == "V1StGXR8_Z5jdHi6B-myT");
}

TEST_CASE("a colliding name deeper down stays") {
    CHECK(left_of(R"({"x":{"pid":1,"category":2}})") == json::parse(R"({"x":{"pid":1,"category":2}})"));
}

TEST_CASE("metadata that is no JSON object gives no keys") {
    for (const auto* metadata : {"", "null", "[]", "[{\"a\":1}]", "\"text\"", "7", "{", "{\"a\":}", "{} x",
                                 "{\"a\":01}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}"})
        CHECK(left_of(metadata) == json::object());
}

TEST_CASE("of a duplicate metadata key the last value counts") {
    CHECK(left_of(R"({"a":1,"a":2})") == json::parse(R"({"a":2})"));
}

TEST_CASE("numbers keep the type that the library's reader would see") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "0.0"},
        {"7", "7"},
        {"-7", "-7"},
        {"1.0", "1.0"},
        {"1.50", "1.5"},
        {"0.1", "0.1"},
        {"1e3", "1000"},
        {"1E+3", "1000"},
        {"1.5e1", "15"},
        {"1.50e1", "15.0"},
        {"10e-1", "1.0"},
        {"100e-2", "1.0"},
        {"0e5", "0"},
        {"0.000", "0.0"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1e20", "1e+20"},
        {"-1e20", "-1e+20"},
        {"1e18", "1000000000000000000"},
        {"1e19", "1e+19"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"1e300", "1e+300"},
        {"1e400", "null"},
        {"-1e400", "null"},
        {"1e99999999999999999999", "null"},
        {"1e-400", "0.0"},
        {"1e-99999999999999999999", "0.0"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"5e-324", "5e-324"},
    };
    for (const auto& [given, expected] : cases) {
        CAPTURE(given);
        CHECK(normalize_numbers(given) == expected);
        CHECK(left_of("{\"x\":[{\"y\":" + given + "}]}").dump() == "{\"x\":[{\"y\":" + expected + "}]}");
    }
}

TEST_CASE("an integer outside 64 signed bits becomes the nearest double") {
    CHECK(left_of(R"({"x":9223372036854775808})").dump() == R"({"x":9.223372036854776e+18})");
    CHECK(left_of(R"({"x":-9223372036854775809})").dump() == R"({"x":-9.223372036854776e+18})");
    CHECK(left_of(R"({"x":18446744073709551615})").dump() == R"({"x":1.8446744073709552e+19})");
}

TEST_CASE("digits inside strings and keys are text") {
    CHECK(normalize_numbers(R"({"1e3":"1.0","q\"2e2":"\\","z":1e2})") ==
          R"({"1e3":"1.0","q\"2e2":"\\","z":100})");
}

TEST_CASE("what is no number of JSON is left for the parser to refuse") {
    for (const auto* text : {"01", "-", "1.", ".5", "1e", "1e+", "--1", "1-2", "1.2.3", "+1"})
        CHECK(normalize_numbers(text) == text);
}

TEST_CASE("a value nested beyond the limit is left out, its neighbours stay") {
    const auto nested = [](int levels) { return std::string(levels, '[') + std::string(levels, ']'); };
    CHECK(left_of("{\"deep\":" + nested(101) + ",\"a\":1}") == json::parse(R"({"a":1})"));
    CHECK(left_of("{\"deep\":" + nested(100) + "}").contains("deep"));
}

TEST_CASE("half a million levels of nesting are no danger") {
    const std::string open(500'000, '['), close(500'000, ']');
    CHECK(left_of("{\"deep\":" + open + close + ",\"a\":1}") == json::parse(R"({"a":1})"));
    CHECK(left_of("{\"deep\":" + open) == json::object());
}

TEST_CASE("a megabyte of metadata does not make it slow") {
    std::string metadata = "{";
    for (int i = 0; metadata.size() < 1'000'000; ++i)
        metadata +=
            (i ? ",\"key" : "\"key") + std::to_string(i) + "\":[1.0,\"\\\"text\\\\\",12345678901234567890]";
    metadata += "}";
    const auto begin = std::chrono::steady_clock::now();
    const auto text = payload(point(metadata));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));  // sanitizers are slow
    CHECK(json::parse(text).size() > 20'000);
    // One number of a million digits.
    CHECK(left_of("{\"n\":" + std::string(1'000'000, '9') + "}").dump() == R"({"n":null})");
    CHECK(left_of("{\"n\":0." + std::string(1'000'000, '3') + "}").dump() == R"({"n":0.3333333333333333})");
}
