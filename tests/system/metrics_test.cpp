#include <catch2/catch.hpp>

#include "http/client.hpp"
#include "support/guarded.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

http::Response get(http::Client& client, const std::string& url) {
    http::Request request;
    request.method = "GET";
    request.url = url;
    return client.send(request);
}

}  // namespace

TEST_CASE("metrics count what was claimed and settled, and say how deep the queue is") {
    TestSchema schema;
    EmbeddingDouble embedder;
    schema.job(schema.memory("a"), "extract");
    const auto port = std::to_string(free_port());
    Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"127.0.0.1:" + port + "\""}}});
    REQUIRE(memoird.ready());
    http::Client client;
    const auto url = "http://127.0.0.1:" + port;
    fill(schema, 3);
    REQUIRE(eventually([&] {
        return get(client, url + "/metrics")
                   .body.find(
                       R"(memoird_settles_total{kind="embed",outcome="completed",failure="none"} 3)") !=
               std::string::npos;
    }));
    REQUIRE(eventually([&] {
        return get(client, url + "/metrics")
                   .body.find(R"(memoird_queue_jobs{kind="extract",state="pending"} 1)") != std::string::npos;
    }));
    const auto text = get(client, url + "/metrics").body;
    CHECK(text.find(R"(memoird_claims_total{kind="embed"} 3)") != std::string::npos);
    CHECK(text.find(R"(memoird_breaker_state{endpoint="embedding",state="closed"} 1)") != std::string::npos);
    CHECK(get(client, url + "/healthz").status == 200);
    CHECK(get(client, url + "/readyz").status == 200);
    CHECK(memoird.stop() == 0);
}

TEST_CASE("an address for metrics that is taken stops the start") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto port = std::to_string(embedder.server().port());
    Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"127.0.0.1:" + port + "\""}}});
    CHECK(memoird.process().wait() == 78);
}
