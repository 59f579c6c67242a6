// What a Qdrant under strict mode allows is learned from its refusals, and a quota is for a human.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/http_double.hpp"
#include "support/recording_log.hpp"
#include "vector/qdrant.hpp"
#include "vector/qdrant_wire.hpp"

using namespace memoir;
using nlohmann::json;
using test::HttpReply;
using test::HttpRequest;

namespace {

HttpReply answered(const json& result) {
    return {200, json{{"status", "ok"}, {"time", 0.1}, {"result", result}}.dump()};
}
HttpReply refused(const std::string& text) {
    return {400, json{{"status", {{"error", "Bad request: " + text}}}, {"time", 0.1}}.dump()};
}

// A collection that is as it should be; upserts and queries are answered as a test says.
struct Server {
    explicit Server(std::function<HttpReply(const json& body, bool upsert)> says)
        : double_([says = std::move(says)](const HttpRequest& request) {
              if (request.method == "GET") {
                  json indexes;
                  for (const auto& each : vector::qdrant::payload_indexes())
                      indexes[each.key] = json::object();
                  return answered(
                      {{"config", {{"params", {{"vectors", {{"size", 2}, {"distance", "Cosine"}}}}}}},
                       {"payload_schema", indexes}});
              }
              const auto body = json::parse(request.body);
              const bool upsert = request.method == "PUT";
              if (upsert || request.target.find("/query") != std::string::npos) return says(body, upsert);
              return answered({{"status", "completed"}});
          }) {
        options.url = double_.url();
        index = std::make_unique<vector::QdrantIndex>(options, 2, client, log);
    }
    void write(std::size_t count) {
        std::vector<vector::Point> points(count);
        for (std::size_t at = 0; at < count; ++at) {
            points[at].pid = "p" + std::to_string(at);
            points[at].metadata = "{}";
            points[at].vector = {1, 0};
        }
        index->write(points, {});
    }
    std::size_t upserts() const {
        std::size_t count = 0;
        for (const auto& request : double_.requests())
            count += request.method == "PUT" && request.target.find("/points?") != std::string::npos;
        return count;
    }
    test::HttpDouble double_;
    http::Client client;
    test::RecordingLog log;
    vector::Options options;
    std::unique_ptr<vector::QdrantIndex> index;
};

}  // namespace

TEST_CASE("how many points a request may have is learned once, and all are written") {
    Server server([](const json& body, bool) {
        if (body["points"].size() > 10)
            return refused("Limit exceeded " + std::to_string(body["points"].size()) +
                           " > 10 for \"upsert limit\"");
        return answered({{"status", "completed"}});
    });
    server.write(32);
    CHECK(server.upserts() == 1 + 4);
    CHECK(server.log.count("memoir.backend.learned") == 1);
    server.double_.forget();
    server.write(32);
    CHECK(server.upserts() == 4);
    CHECK(server.log.count("memoir.backend.learned") == 1);
    CHECK(server.log.count("memoir.breaker.opened") == 0);
}

TEST_CASE("how many hits a request may ask for is learned once") {
    Server server([](const json& body, bool) {
        if (body["limit"] > 5)
            return refused("Limit exceeded " + body["limit"].dump() + " > 5 for \"limit\"");
        json points = json::array();
        for (int at = 0; at < 5; ++at)
            points.push_back({{"id", at}, {"score", 0.9}, {"payload", {{"pid", "p" + std::to_string(at)}}}});
        return answered({{"points", points}});
    });
    const vector::Query query{.agent_id = "a",
                              .org_id = "o",
                              .user_id = "u",
                              .kind = {},
                              .vector = {1, 0},
                              .limit = 50,
                              .score_above = {}};
    CHECK(server.index->search(query, {}).size() == 5);
    CHECK(server.log.count("memoir.backend.learned") == 1);
    CHECK(server.index->search(query, {}).size() == 5);
    CHECK(server.log.count("memoir.backend.learned") == 1);
}

TEST_CASE("a quota of the collection blocks with a HINT, and no memory is charged for it") {
    std::atomic<bool> full{true};
    Server server([&](const json&, bool) {
        return full ? refused("Max points count limit of 100 reached!") : answered({{"status", "completed"}});
    });
    try {
        server.write(3);
        FAIL("it should have failed");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::blocked);
        CHECK(failure.hint.find("max_points_count") != std::string::npos);
    }
    CHECK(server.log.count("memoir.breaker.opened") == 1);
}
