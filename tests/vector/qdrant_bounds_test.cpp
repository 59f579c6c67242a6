// A Qdrant whose answers are larger than any of Qdrant's: refused without taking memory for them.
#include <catch2/catch.hpp>

#include "support/flood.hpp"
#include "support/peak_memory.hpp"
#include "support/recording_log.hpp"
#include "vector/qdrant.hpp"

using namespace memoir;

TEST_CASE("an answer of 62 MB is an outage, told, and takes no memory") {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const auto [beginning, piece] = GENERATE_COPY(table<std::string, std::string>({
        {head + "Content-Length: 62000000\r\n\r\n"
                R"({"status":"ok","result":{"points":[)",
         R"({"id":1},)"},
        {head + "\r\n"
                R"({"status":"ok","result":{"points":[)",
         R"({"id":1},)"},
        {head + "Content-Length: 12000000\r\n\r\n"
                R"({"status":"ok","result":{"points":[)",
         "[],"},
        {head + "Content-Length: 12000000\r\n\r\n"
                R"({"status":"ok","result":)",
         "["},
    }));
    test::Flood server(beginning, piece, 62'000'000 / piece.size());
    test::RecordingLog log;
    http::Client client;
    vector::Options options;
    options.url = server.url("http");
    vector::QdrantIndex index(options, 2, client, log);
    const auto growth = test::peak_growth([&] {
        try {
            index.search({.agent_id = "a",
                          .org_id = "o",
                          .user_id = "u",
                          .kind = {},
                          .vector = {1, 0},
                          .limit = 10,
                          .score_above = {}},
                         {});
            FAIL("it should have failed");
        } catch (const Failure& failure) {
            CHECK(failure.type() == FailureType::outage);
            CHECK(failure.reason().find("searching: ") == 0);
        }
    });
    CHECK(growth <= 100);
    CHECK(log.count("memoir.breaker.opened") == 1);
}
