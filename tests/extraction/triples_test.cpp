#include "extraction/triples.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"

using namespace memoir;
using namespace memoir::extraction;

namespace {

std::string failure_of(std::string_view reply) {
    try {
        parse_triples(reply);
        return {};
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::job);
        return failure.reason();
    }
}

Triples one(const std::string& rest) {
    return parse_triples(R"({"triples":[{"subject":"Maya","relation":"lives in","object":"Lisbon")" + rest +
                         "}]}");
}

}  // namespace

TEST_CASE("reads triples and takes an absent confidence for certainty") {
    CHECK(one("").triples == std::vector<Triple>{{"Maya", "lives in", "Lisbon", 1.0}});
    CHECK(one(R"(,"confidence":0.5)").triples.front().confidence == 0.5);
    CHECK(one(R"(,"confidence":"50%")").triples.front().confidence == 0.5);
}

TEST_CASE("a confidence is what the 32-bit float widens to") {
    CHECK(one(R"(,"confidence":0.9)").triples.front().confidence == static_cast<double>(0.9F));
    CHECK(to_json(one(R"(,"confidence":0.9)")).find("0.8999999761581421") != std::string::npos);
}

TEST_CASE("a triple with a null confidence or a missing part is skipped and counted") {
    const auto triples = parse_triples(R"(<think>…</think>```json
        {"triples":[{"subject":"a","relation":"b","object":"c"}, {"subject":"a","relation":"b"},
         {"subject":"a","relation":"b","object":null}, {"subject":1,"relation":"b","object":"c"}, "a b c",
         {"relation":"b","object":"c"}, {"subject":"a","relation":"b","object":"c","confidence":null},
         {"subject":"a","relation":"b","object":"c","confidence":1e400},
         {"subject":"a","relation":"b","object":"c","confidence":NaN},]}```)");
    CHECK(triples.triples.size() == 1);
    CHECK(triples.malformed == 8);
}

TEST_CASE("no triples are a success, malformed ones alone are a failure") {
    CHECK(parse_triples(R"({"triples":[]})").triples.empty());
    CHECK(parse_triples(R"({"triples":null})").triples.empty());
    CHECK(failure_of(R"({"triples":["a b c"]})") == "reply holds no usable triple: 1 malformed");
    CHECK(failure_of("none") == "reply holds no list of triples (4 bytes)");
    CHECK(failure_of(R"({"facts":[]})") != "");
}

TEST_CASE("names are kept as they are but for what Postgres refuses") {
    const auto triples =
        parse_triples(R"({"triples":[{"subject":" \u0000a ","relation":"","object":"\ud800"}]})");
    CHECK(triples.triples.front() == Triple{" a ", "", "\xEF\xBF\xBD", 1.0});
}

TEST_CASE("a reply of more than 100,000 bytes is refused") {
    const std::string answer = R"({"triples":[]})";
    CHECK(failure_of(answer + std::string(100'000 - answer.size(), ' ')).empty());
    CHECK(failure_of(answer + std::string(100'001 - answer.size(), ' ')) ==
          "reply is longer than 100,000 bytes (100001 bytes)");
}

TEST_CASE("the staged form writes a whole confidence without a point") {
    CHECK(nlohmann::json::parse(to_json(one(""))) ==
          nlohmann::json::parse(
              R"({"triples":[{"subject":"Maya","relation":"lives in","object":"Lisbon","confidence":1}]})"));
    CHECK(to_json(one(R"(,"confidence":1.0)")).find("1.0") == std::string::npos);
    CHECK(to_json(Triples{}) == R"({"triples":[]})");
}

TEST_CASE("of a reply with more triples than are allowed the first are taken and the others counted") {
    std::string reply = R"({"triples":[{"subject":"first","relation":"r","object":"o"})";
    for (int at = 1; at < 1'500; ++at) reply += R"(,{"subject":"s","relation":"r","object":"o"})";
    const auto triples = parse_triples(reply + "]}");
    CHECK(triples.triples.size() == 500);
    CHECK(triples.triples.front().subject == "first");
    CHECK(triples.beyond == 1'000);
    CHECK(parse_triples(reply + "]}", 2'000).triples.size() == 1'500);
}
