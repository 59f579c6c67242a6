// Replies of a server that is broken or hostile: refused before memory is taken for what they announce.
#include "graph/reply_reader.hpp"

#include <catch2/catch.hpp>

#include "graph/client.hpp"
#include "support/flood.hpp"
#include "support/peak_memory.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using graph::List;
using graph::ReplyReader;

namespace {

std::string repeated(const std::string& piece, std::size_t times) {
    std::string text;
    text.reserve(piece.size() * times);
    for (std::size_t at = 0; at < times; ++at) text += piece;
    return text;
}

// How a reader ends that is fed these bytes in pieces as a socket gives them.
std::string refusal_of(const std::string& bytes) {
    ReplyReader reader;
    try {
        for (std::size_t at = 0; at < bytes.size(); at += 65'536) {
            reader.feed(std::string_view(bytes).substr(at, 65'536));
            while (reader.next()) {
            }
        }
        return "";
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::ambiguous);
        return failure.reason();
    }
}

}  // namespace

TEST_CASE("replies are read in their order, whatever pieces they come in") {
    const std::string bytes = "*3\r\n:7\r\n$3\r\na\r\n\r\n*2\r\n$-1\r\n+OK\r\n-LOADING x\r\n$0\r\n\r\n";
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        ReplyReader reader;
        std::vector<graph::Value> values;
        for (std::size_t at = 0; at < bytes.size(); at += size) {
            reader.feed(std::string_view(bytes).substr(at, size));
            while (auto value = reader.next()) values.push_back(std::move(*value));
        }
        REQUIRE(values.size() == 3);
        const auto& list = std::get<List>(values[0]);
        REQUIRE(list.size() == 3);
        CHECK(std::get<std::int64_t>(list[0]) == 7);
        CHECK(list[1].text() == "a\r\n");
        CHECK(std::get<List>(list[2])[0].is_null());
        CHECK(std::get<List>(list[2])[1].text() == "OK");
        CHECK(std::get<graph::ServerError>(values[1]).length == 9);
        CHECK(values[2].text().empty());
    }
}

TEST_CASE("a reply that nests 300,000 lists deep is refused") {
    CHECK_FALSE(refusal_of(repeated("*1\r\n", 300'000)).empty());
    CHECK(refusal_of(repeated("*1\r\n", 6) + ":1\r\n").empty());
}

TEST_CASE("a list is refused for the size that it announces, alone or together with others") {
    std::string single, nested, many;
    const auto growth = test::peak_growth([&] {
        single = refusal_of("*60000000\r\n");
        nested = refusal_of("*1000000\r\n*1000000\r\n");
        many = refusal_of("*500\r\n" + repeated("*100000\r\n" + repeated(":1\r\n", 100'000), 20));
    });
    CHECK(single.find("larger than 64 MiB") != std::string::npos);
    CHECK(nested == single);
    CHECK(many == single);
    CHECK(growth <= 100);
}

TEST_CASE("texts are bounded each and all together") {
    const auto growth = test::peak_growth([&] {
        CHECK_FALSE(refusal_of("$20000000\r\n" + std::string(10'000'000, 'x')).empty());
        CHECK_FALSE(refusal_of("+" + std::string(10'000'000, 'x')).empty());
    });
    CHECK(growth <= 100);
    ReplyReader reader;
    reader.feed("*40\r\n");
    const std::string text = "$4000000\r\n" + std::string(4'000'000, 'x') + "\r\n";
    bool refused = false;
    for (int at = 0; at < 40 && !refused; ++at) {
        try {
            reader.feed(text);
            reader.next();
        } catch (const Failure&) {
            refused = true;
        }
    }
    CHECK(refused);
}

TEST_CASE("the next reply has the whole bound again") {
    ReplyReader reader;
    const std::string text = "$4000000\r\n" + std::string(4'000'000, 'x') + "\r\n";
    for (int at = 0; at < 40; ++at) {
        reader.feed(text);
        REQUIRE(reader.next().has_value());
    }
}

TEST_CASE("a server that floods its client is an outage, told, and takes no memory") {
    const auto [beginning, piece] = GENERATE(table<std::string, std::string>({
        {"*60000000\r\n", ":1\r\n"},
        {"", "*1\r\n"},
        {"*3\r\n*1\r\n$1\r\nn\r\n*10000000\r\n", "*1\r\n$100\r\n" + std::string(100, 'x') + "\r\n"},
        {"$500000000\r\n", std::string(1'000, 'x')},
    }));
    test::Flood server(beginning, piece, 60'000'000 / piece.size());
    test::RecordingLog log;
    graph::Options options;
    options.url = server.url("redis");
    graph::Client client(options, log);
    const auto growth = test::peak_growth([&] {
        try {
            client.query(endpoint::Nature::read, "RETURN 1", {});
            FAIL("it should have failed");
        } catch (const Failure& failure) {
            CHECK(failure.type() == FailureType::outage);
            CHECK(failure.reason().find("graph") != std::string::npos);
        }
    });
    CHECK(growth <= 100);
    CHECK(log.count("memoir.breaker.opened") == 1);
}
