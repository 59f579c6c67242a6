#include "vector/qdrant_wire.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "vector/point_id.hpp"
#include "vector/qdrant_errors.hpp"

using namespace memoir;
using namespace memoir::vector;
using nlohmann::json;

namespace {

const std::string secret = "what a person said";

Point point(const std::string& pid, std::string metadata = "{}") {
    Point p;
    p.pid = pid;
    p.metadata = std::move(metadata);
    p.vector = {0.1F, -1e-10F};
    return p;
}

http::Response answer(int status, std::string body,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Response response;
    response.status = status;
    response.body = std::move(body);
    response.headers = std::move(headers);
    return response;
}

std::string error_body(const std::string& text = secret) {
    return json{{"status", {{"error", "Wrong input: " + text}}}, {"time", 0.1}}.dump();
}

// The failure that a call throws; its text holds nothing of the server's.
template <typename Call>
Failure failure_of(Call&& call) {
    try {
        call();
    } catch (const Failure& failure) {
        CHECK(failure.reason().find(secret) == std::string::npos);
        CHECK(failure.hint.find(secret) == std::string::npos);
        CHECK_FALSE(failure.reason().empty());
        return failure;
    }
    FAIL("no failure");
    throw;
}

Failure status_failure(int status, const std::string& body = error_body(),
                       std::vector<std::pair<std::string, std::string>> headers = {}) {
    return failure_of([&] { qdrant::result(answer(status, body, headers), "upserting"); });
}

Failure transport_failure(http::TransportError error, const std::string& url = "http://h:6333",
                          bool rest_known = false) {
    return failure_of([&] { qdrant::throw_transport({error, "h: x"}, "upserting", url, rest_known); });
}

json collection(const json& vectors) {
    return {{"config", {{"params", {{"vectors", vectors}}}}}};
}

}  // namespace

TEST_CASE("an upsert holds id, vector and payload of each point, the numbers of a vector to the last bit") {
    const std::vector<Point> points{point("a"), point("b", R"({"k":1.0})")};
    const auto bodies = qdrant::upserts(points);
    REQUIRE(bodies.size() == 1);
    const auto body = json::parse(bodies[0]);
    REQUIRE(body["points"].size() == 2);
    CHECK(body["points"][0]["id"] == point_id("a"));
    CHECK(body["points"][0]["vector"].get<std::vector<float>>() == points[0].vector);
    CHECK(body["points"][1]["payload"]["pid"] == "b");
    CHECK(body["points"][1]["payload"]["k"].is_number_float());
}

TEST_CASE("bodies are split where the next point would go over the limit, and none is over it") {
    std::vector<Point> points;
    for (int i = 0; i < 20; ++i)
        points.push_back(point("p" + std::to_string(i), "{\"text\":\"" + std::string(100, 'x') + "\"}"));
    for (const std::size_t limit : {500, 900, 1000, 1001, 1002, 5000}) {
        std::size_t told = 0;
        for (const auto& body : qdrant::upserts(points, limit)) {
            CHECK(body.size() <= limit);
            const auto sent_body = json::parse(body);
            for (const auto& sent : sent_body["points"])
                CHECK(sent["payload"]["pid"] == "p" + std::to_string(told++));
        }
        CHECK(told == points.size());
    }
    CHECK(qdrant::upserts(points, 100'000).size() == 1);
}

TEST_CASE("a point that alone is over the limit is the job's failure for good, with its size") {
    const std::vector<Point> points{point("a"),
                                    point("b", "{\"text\":\"" + secret + std::string(1000, 'x') + "\"}")};
    const auto failure = failure_of([&] { qdrant::upserts(points, 1000); });
    CHECK(failure.type() == FailureType::permanent);
    CHECK(failure.reason().find(std::to_string(points[1].metadata.size()) + ":") != std::string::npos);
}

TEST_CASE("statuses mean what the failure table says, and the server's text is never repeated") {
    using T = FailureType;
    const std::vector<std::pair<int, T>> cases{
        {400, T::permanent}, {422, T::permanent}, {413, T::permanent}, {401, T::blocked},
        {403, T::blocked},   {404, T::blocked},   {408, T::ambiguous}, {409, T::job},
        {429, T::throttled}, {499, T::ambiguous}, {500, T::ambiguous}, {502, T::outage},
        {503, T::outage},    {504, T::outage},    {507, T::outage},    {529, T::throttled}};
    for (const auto& [status, type] : cases) {
        CAPTURE(status);
        const auto failure = status_failure(status);
        CHECK(failure.type() == type);
        CHECK(failure.reason().find(std::to_string(status)) != std::string::npos);
    }
}

TEST_CASE("a refused key names the setting") {
    for (const int status : {401, 403}) {
        const auto failure = status_failure(status, "Invalid API key or JWT");
        CHECK(failure.type() == FailureType::blocked);
        CHECK(failure.hint.find("vector.api_key_file") != std::string::npos);
    }
}

TEST_CASE("a 404 is of a collection where the body is the API's, of a wrong URL otherwise") {
    CHECK_THROWS_AS(qdrant::result(answer(404, error_body()), "x"), qdrant::Refusal);
    CHECK(status_failure(404).hint.find("vector.collection") != std::string::npos);
    const auto other = status_failure(404, "<html>");
    CHECK(other.type() == FailureType::blocked);
    CHECK(other.hint.find("vector.url") != std::string::npos);
}

TEST_CASE("a throttled answer keeps the time that the server named") {
    CHECK(status_failure(429, error_body(), {{"retry-after", "7"}}).retry_after == std::chrono::seconds(7));
    CHECK_FALSE(status_failure(429).retry_after);
}

TEST_CASE("a 200 that is no answer of this API is ambiguous") {
    for (const auto& body :
         {std::string(), std::string("<html>"), std::string("[]"), std::string("null"), std::string("{}"),
          std::string(R"({"result":true})"), std::string(R"({"status":"ok"})"), error_body(),
          std::string(R"({"result":true,"status":"bad"})"), "{\"result\":\"" + secret}) {
        CAPTURE(body);
        CHECK(failure_of([&] { qdrant::result(answer(200, body), "searching"); }).type() ==
              FailureType::ambiguous);
    }
    CHECK(qdrant::result(answer(200, R"({"result":[1],"status":"ok","time":0})"), "x") == json::array({1}));
}

TEST_CASE("a write is done only when the server says completed") {
    CHECK_NOTHROW(qdrant::require_done({{"operation_id", 1}, {"status", "completed"}}, "upserting"));
    for (const auto& result : {json{{"status", "acknowledged"}}, json{{"status", "wait_timeout"}},
                               json{{"status", secret}}, json::object(), json(true), json(nullptr)})
        CHECK(failure_of([&] { qdrant::require_done(result, "upserting"); }).type() ==
              FailureType::ambiguous);
    CHECK(failure_of([&] {
              qdrant::require_done({{"status", "wait_timeout"}}, "upserting");
          })
              .reason()
              .find("wait_timeout") != std::string::npos);
}

TEST_CASE("what the transport did has the table's type") {
    using E = http::TransportError;
    using T = FailureType;
    const std::vector<std::pair<E, T>> cases{
        {E::resolve, T::outage},         {E::refused, T::outage},     {E::tls, T::outage},
        {E::connect_timeout, T::outage}, {E::timeout, T::ambiguous},  {E::silence, T::ambiguous},
        {E::reset, T::ambiguous},        {E::cut, T::ambiguous},      {E::too_large, T::ambiguous},
        {E::other, T::ambiguous},        {E::redirect, T::blocked},   {E::not_http, T::blocked},
        {E::invalid, T::blocked},        {E::cancelled, T::cancelled}};
    for (const auto& [error, type] : cases) {
        CAPTURE(to_string(error));
        CHECK(transport_failure(error).type() == type);
    }
}

TEST_CASE("a gRPC port is named as such, whether it greets or hangs up") {
    const auto says_grpc = [](const Failure& failure) {
        return failure.type() == FailureType::blocked && failure.hint.find("6333") != std::string::npos &&
               failure.hint.find("gRPC") != std::string::npos;
    };
    CHECK(says_grpc(transport_failure(http::TransportError::not_http, "http://h:7777")));
    CHECK(says_grpc(transport_failure(http::TransportError::cut, "http://h:6334")));
    CHECK(says_grpc(transport_failure(http::TransportError::reset, "http://h:6334/")));
    // A server that has answered over REST on that port is only ailing.
    CHECK(transport_failure(http::TransportError::reset, "http://h:6334", true).type() ==
          FailureType::ambiguous);
    CHECK(transport_failure(http::TransportError::reset, "http://h:6333").type() == FailureType::ambiguous);
}

TEST_CASE("a collection fits by dimension, distance and its unnamed vector") {
    CHECK_NOTHROW(qdrant::check_collection(collection({{"size", 384}, {"distance", "Cosine"}}), "c", 384));
    const auto misfit = [](const json& vectors) {
        try {
            qdrant::check_collection(collection(vectors), "c", 384);
        } catch (const qdrant::Misfit& failure) {
            CHECK(failure.type() == FailureType::blocked);
            CHECK(failure.hint.find("vector.collection") != std::string::npos);
            return failure.reason();
        }
        return std::string();
    };
    const auto size = misfit({{"size", 768}, {"distance", "Cosine"}});
    CHECK(size.find("768") != std::string::npos);
    CHECK(size.find("384") != std::string::npos);
    CHECK(misfit({{"size", 384}, {"distance", "Dot"}}).find("Dot") != std::string::npos);
    CHECK(misfit({{"size", 384}, {"distance", secret}}).find(secret) == std::string::npos);
    CHECK(misfit({{"text", {{"size", 384}, {"distance", "Cosine"}}}}).find("named") != std::string::npos);
    CHECK(misfit(json::object()).find("named") != std::string::npos);
    for (const auto& info :
         {json(nullptr), json::array(), json::object(), json{{"config", 1}}, collection(7)})
        CHECK(failure_of([&] { qdrant::check_collection(info, "c", 384); }).type() == FailureType::ambiguous);
}

TEST_CASE("of several points with one pid the last one's score counts") {
    const auto hits = qdrant::distinct({{"a", 0.9}, {"b", 0.8}, {"a", 0.7}}, std::nullopt);
    REQUIRE(hits.size() == 2);
    CHECK(hits[0].pid == "b");
    CHECK(hits[1].pid == "a");
    CHECK(hits[1].score == 0.7);
}

TEST_CASE("a score at the threshold is no hit, whatever the server thought") {
    const auto hits = qdrant::distinct({{"a", 0.75}, {"b", 0.5}, {"c", 0.25}}, 0.5);
    REQUIRE(hits.size() == 1);
    CHECK(hits[0].pid == "a");
}

TEST_CASE(
    "answers to searches and scrolls of another shape are ambiguous, points without a pid are passed over") {
    for (const auto& result :
         {json(true), json::array(), json::object(), json{{"points", 1}}, json{{"points", {{{"id", 1}}}}}})
        CHECK(failure_of([&] { qdrant::hits(result); }).type() == FailureType::ambiguous);
    CHECK(failure_of([&] { qdrant::scrolled(json{{"points", secret}}); }).type() == FailureType::ambiguous);
    const json points{{"points",
                       {{{"score", 0.5}},
                        {{"score", 0.5}, {"payload", {{"pid", 7}}}},
                        {{"score", 0.25}, {"payload", {{"pid", "a"}}}}}}};
    const auto page = qdrant::hits(points);
    CHECK(page.points == 3);
    REQUIRE(page.hits.size() == 1);
    CHECK(page.hits[0].pid == "a");
    CHECK(qdrant::scrolled(points) == std::vector<std::string>{"a"});
}

TEST_CASE("an answer that nests a million levels deep is no danger") {
    const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
    const auto deep_answer = answer(200, "{\"result\":" + deep + ",\"status\":\"ok\"}");
    CHECK(failure_of([&] { qdrant::result(deep_answer, "searching"); }).type() == FailureType::ambiguous);
}

TEST_CASE("a collection's name is encoded in the path") {
    CHECK(qdrant::collection_url("http://h:6333/", "memoir_memories") ==
          "http://h:6333/collections/memoir_memories");
    CHECK(qdrant::collection_url("http://h/base", "a/../b c%") ==
          "http://h/base/collections/a%2F..%2Fb%20c%25");
}

TEST_CASE("what Qdrant says when a quota or its disk is full, and what strict mode allows") {
    for (const auto& row : qdrant::error_rows()) {
        CAPTURE(row.text);
        const auto failure = status_failure(400, error_body(std::string(row.text) + " 7 " + secret));
        CHECK(failure.type() == row.type);
        CHECK((failure.type() != FailureType::blocked || failure.hint.find("vector.") != std::string::npos));
        CHECK(qdrant::find_error(row.text) == &row);
    }
    // Behind what a request holds, a text is an echo.
    CHECK(status_failure(400, error_body(std::string(300, 'x') + "Max points count limit of 7")).type() ==
          FailureType::permanent);
    CHECK(status_failure(429, error_body("Rate limiting exceeded"), {{"retry-after", "3"}}).retry_after ==
          Milliseconds(3'000));
    CHECK(qdrant::strict_limit(R"(Limit exceeded 32 > 10 for "upsert limit". Help: Reduce)") == 10);
    for (const auto* text :
         {"", "Limit exceeded", "Limit exceeded 3 > x", "Limit exceeded 3 > 0 for", "> 10"})
        CHECK_FALSE(qdrant::strict_limit(text));
}
