// The status page as a browser would ask for it, without the browser: system/browser has that.

#include <catch2/catch.hpp>

#include "http/client.hpp"
#include "system/page_scene.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

http::Response ask(const std::string& url, const std::string& method = "GET", const std::string& host = "") {
    http::Client client;
    http::Request request;
    request.method = method;
    request.url = url;
    if (!host.empty()) request.headers.emplace_back("Host", host);
    return client.send(request);
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the status page shows what runs, waits, is parked, has failed and is away, and no content") {
    PageScene scene;
    REQUIRE(scene.set());
    std::string html;
    // The depth comes with the poller's next look after it was asked for.
    CHECK(eventually([&] {
        html = ask(scene.url() + "/").body;
        return contains(html, "3 h") && contains(html, ">11<");
    }));
    const auto pid = scene.schema().value(
        "select source_pid from $schema.memory_jobs where state = 'claimed' and claimed_by <> 'parked' order "
        "by id "
        "limit 1");
    const std::vector<std::string> parts{"pid " + std::to_string(scene.memoird().process().pid()),
                                         pid,
                                         scene.worker(),
                                         "of 3 loops busy",
                                         "11 jobs in hand",
                                         "extraction is not called",
                                         "extraction.api_key_file",
                                         "Paused for the whole fleet: reprocess",
                                         "left to other hosts: no [classifier] section",
                                         "memoir.worker.job_failed",
                                         "memoir.breaker.opened"};
    for (const auto& part : parts) {
        INFO(part);
        CHECK(contains(html, part));
    }
    CHECK_FALSE(contains(html, PageScene::content));
    CHECK_FALSE(contains(html, PageScene::hostile));
    CHECK(contains(html, "&lt;script&gt;document.title"));
    scene.release();
    CHECK(eventually([&] { return contains(ask(scene.url() + "/").body, "Nothing is running."); }));
    CHECK(scene.memoird().stop() == 0);
}

TEST_CASE("the status page is for GET and HEAD, and for names that are ours") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto url = "http://127.0.0.1:" + std::to_string(free_port());
    Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"" + url.substr(7) + "\""}}});
    REQUIRE(memoird.ready());
    const auto page = ask(url + "/");
    CHECK(page.status == 200);
    CHECK(page.header("content-type") == "text/html; charset=utf-8");
    CHECK(contains(page.header("content-security-policy"), "default-src 'none'"));
    CHECK(page.header("cache-control") == "no-store");
    CHECK(ask(url + "/", "POST").status == 405);
    CHECK(ask(url + "/", "DELETE").status == 405);
    CHECK(ask(url + "/index.html").status == 404);
    const auto rebound = ask(url + "/", "GET", "evil.example");
    CHECK(rebound.status == 403);
    CHECK(contains(rebound.body, "HINT: "));
    CHECK(ask(url + "/", "GET", "localhost:1").status == 200);
    CHECK(memoird.stop() == 0);
}

TEST_CASE("the status page says that the start is waiting for the database") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto url = "http://127.0.0.1:" + std::to_string(free_port());
    Memoird memoird(schema, embedder,
                    {.url = "postgresql://127.0.0.1:" + std::to_string(free_port()) + "/memoir",
                     .settings = {{"metrics.listen", "\"" + url.substr(7) + "\""}}});
    REQUIRE(memoird.process().wrote("waiting for the database"));
    const auto html = ask(url + "/").body;
    CHECK(contains(html, "Starting"));
    CHECK(contains(html, "memoir.database.down"));
    CHECK(ask(url + "/readyz").status == 503);
    CHECK(memoird.stop() == 0);
}

TEST_CASE("/readyz says ready once the service is, also when nothing has asked for a connection yet") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto url = "http://127.0.0.1:" + std::to_string(free_port());
    // Its model is away, so that nothing is claimed.
    Memoird memoird(schema, embedder,
                    {.settings = {{"metrics.listen", "\"" + url.substr(7) + "\""},
                                  {"lanes.llm.kinds", "[\"extract\"]"},
                                  {"extraction.url", "\"http://127.0.0.1:1\""}}});
    REQUIRE(memoird.ready());
    CHECK(ask(url + "/readyz").status == 200);
    CHECK(memoird.stop() == 0);
}
