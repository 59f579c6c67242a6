// An embedding server whose answers are larger than what was asked for.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "http/client.hpp"
#include "model/make_embedder.hpp"
#include "support/flood.hpp"
#include "support/http_double.hpp"
#include "support/peak_memory.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using nlohmann::json;

TEST_CASE("an answer of 60 MB of numbers is an outage and takes no memory") {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const auto [beginning, piece] = GENERATE_COPY(table<std::string, std::string>({
        {head + "\r\n"
                R"({"embeddings":[[)",
         "0,"},
        {head + "Content-Length: 1000000\r\n\r\n"
                R"({"embeddings":[[)",
         "0,"},
        {head + "Content-Length: 1000000\r\n\r\n"
                R"({"embeddings":)",
         "["},
    }));
    test::Flood server(beginning, piece, 60'000'000 / piece.size());
    test::RecordingLog log;
    http::Client client;
    model::EmbeddingOptions options;
    options.provider = "ollama";
    options.url = server.url("http");
    const auto embedder = model::make_embedder(options, {}, client, log);
    const auto growth = test::peak_growth([&] {
        const std::vector<std::string> texts(32, "text");
        try {
            embedder->embed(texts, {});
            FAIL("it should have failed");
        } catch (const Failure& failure) {
            CHECK(failure.type() == FailureType::outage);
        }
    });
    CHECK(growth <= 100);
    CHECK(log.count("memoir.breaker.opened") == 1);
}

TEST_CASE("what is asked for in one request is bounded by the numbers that come back") {
    test::HttpDouble server([](const test::HttpRequest& request) {
        json vectors = json::array();
        for (std::size_t at = json::parse(request.body)["input"].size(); at > 0; --at)
            vectors.push_back(std::vector<float>(3'072, 0.01F));
        return test::HttpReply{200, json{{"embeddings", vectors}}.dump(2)};
    });
    test::RecordingLog log;
    http::Client client;
    model::EmbeddingOptions options;
    options.provider = "ollama";
    options.url = server.url();
    options.dimension = 3'072;
    const auto embedder = model::make_embedder(options, {}, client, log);
    const std::vector<std::string> texts(300, "text");
    CHECK(embedder->embed(texts, {}).size() == 300);
    CHECK(server.requests().size() == 3);
}
