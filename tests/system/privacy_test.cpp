// One can see what memoird does without ever seeing what people said, or a secret: everything that it writes
// is searched, at debug level, while everything fails that can.

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "http/client.hpp"
#include "support/guarded.hpp"
#include "support/qdrant_double.hpp"
#include "support/tcp_proxy.hpp"
#include "system/events.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

// In everything that a memory says about a person; and in everything that only a server may know.
const std::string content = "Zwiebelkuchen4711", metadata = "Pflaumenmus4712", category = "Rosinen4713",
                  password = "Tresor4714", key = "Schluessel4715", user_info = "Nutzer4716";

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;

    std::string remember(const std::string& text) {
        const auto pid = store(text);
        schema.job(pid, "embed");
        return pid;
    }
    // Without its job yet.
    std::string store(const std::string& text) {
        const auto pid = schema.memory(text + " " + content);
        schema.sql(
            "update $schema.memories set metadata = jsonb_build_object('note', $2::text), category = $3 "
            "where pid = $1",
            pg::Params().add(pid).add(metadata).add(category));
        return pid;
    }
    // Nothing that memoird wrote anywhere holds a marker.
    void check_silent(Memoird& memoird) {
        std::string written = memoird.log() + memoird.process().output();
        written +=
            schema.value("select coalesce(string_agg(failure_reason, ' '), '') from $schema.memory_jobs");
        written += schema.value("select coalesce(string_agg(h::text, ' '), '') from $schema.memoird_hosts h");
        written += hosts_seen + served;
        REQUIRE(written.size() > 1'000);
        for (const auto& marker : {content, metadata, category, password, key, user_info}) {
            INFO(marker);
            const auto at = written.find(marker);
            CHECK(at == std::string::npos);
            if (at != std::string::npos) WARN(written.substr(at > 300 ? at - 300 : 0, 600));
        }
    }
    void look_at_hosts() {
        hosts_seen +=
            schema.value("select coalesce(string_agg(h::text, ' '), '') from $schema.memoird_hosts h");
    }
    // The status page and the metrics, while there is something to be told.
    void look_at_page() {
        http::Client client;
        for (const char* path : {"/", "/metrics"}) {
            http::Request request;
            request.method = "GET";
            request.url = "http://127.0.0.1:" + std::to_string(port) + path;
            const auto answer = client.send(request);
            CHECK(answer.status == 200);
            served += answer.body;
        }
    }
    std::map<std::string, std::string> listening() const {
        return {{"metrics.listen", "\"127.0.0.1:" + std::to_string(port) + "\""}};
    }
    bool settled() {
        return eventually([&] {
            return schema.number("select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
        });
    }
    std::int64_t failed() {
        return schema.number("select count(*) from $schema.memory_jobs where state = 'failed'");
    }
    std::string hosts_seen{}, served{};
    const int port = free_port();
};

std::map<std::string, std::string> two_attempts() {
    return {{"worker.max_attempts", "2"},
            {"worker.retry_base", "\"100ms\""},
            {"worker.retry_cap", "\"1s\""},
            {"worker.lease", "\"2100ms\""},
            {"database.statement_timeout", "\"1s\""}};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "no content is told when PostgreSQL's own errors repeat it") {
    const bool json = GENERATE(true, false);
    CAPTURE(json);
    // A row that violates a unique constraint is quoted in the DETAIL; a RAISE may hold anything anywhere.
    schema.sql("create table $schema.contents (content text unique)");
    schema.sql(
        "create function $schema.collide() returns trigger language plpgsql as 'declare said text; begin "
        "select content into said from \"" +
        schema.name() + "\".memories where pid = new.pid; if said like ''unique%'' then insert into \"" +
        schema.name() +
        "\".contents values (said), (said); elsif said like ''raise%'' then raise exception ''% is wrong'', "
        "said using errcode = ''23514'', detail = said, hint = said, constraint = said, column = said, table "
        "= "
        "said; elsif said like ''odd%'' then raise exception ''% is odd'', said using errcode = ''P0001'', "
        "detail = said; elsif said like ''cast%'' then perform said::integer; end if; raise notice ''%'', "
        "said; return new; end'");
    schema.sql(
        "create trigger collide before insert on $schema.memoird_vectors for each row execute function "
        "$schema.collide()");
    Memoird memoird(schema, embedder,
                    {.settings = two_attempts() + embed_lane(1, 8) + listening(), .json = json});
    for (const std::string text : {"fine", "unique", "raise", "odd", "cast"}) remember(text);
    REQUIRE(memoird.ready());
    CHECK(settled());
    CHECK(failed() == 4);
    look_at_hosts();
    // What is told instead: the code, and the constraint's name where it is one.
    CHECK(schema.number("select count(*) from $schema.memory_jobs where failure_reason like '%23505 "
                        "(unique_violation) on "
                        "contents_content_key%'") == 1);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where failure_reason like '%23514%'") == 1);
    look_at_page();
    CHECK(memoird.process().wrote("memoir.worker.job_succeeded"));
    CHECK(memoird.stop() == 0);
    check_silent(memoird);
}

TEST_CASE_METHOD(Fixture, "no content is told when Qdrant or the embedding server repeats it") {
    const bool json = GENERATE(true, false);
    CAPTURE(json);
    auto& qdrant = QdrantDouble::shared();
    Memoird memoird(
        schema, embedder,
        {.settings = two_attempts() + embed_lane(1, 4) + listening() +
                     std::map<std::string, std::string>{{"vector.backend", "\"qdrant\""},
                                                        {"vector.url", "\"" + qdrant.url() + "\""},
                                                        {"vector.timeout", "\"2s\""}},
         .json = json});
    REQUIRE(memoird.ready());
    // Each answer repeats the request; the last ones are for everybody.
    const auto refused = store("refused"), broken = store("broken"), html = store("html");
    qdrant.fault({.kind = "status", .body = refused, .status = 400});
    qdrant.fault({.kind = "status", .body = broken, .status = 500});
    qdrant.fault({.kind = "garbage", .body = html});
    embedder.before([](const HttpRequest& request) {
        const auto has = [&](const char* text) { return request.body.find(text) != std::string::npos; };
        const auto echo = "{\"error\": {\"message\": \"" + content + "\", \"code\": \"" + content +
                          "\", \"type\": \"" + content + "\"}}";
        if (has("bad text")) return HttpReply{.status = 400, .body = echo};
        if (has("poison")) return HttpReply{.status = 500, .body = echo};
        if (has("strange")) return HttpReply{.status = 409, .body = request.body};
        return HttpReply{};
    });
    for (const auto& pid : {refused, broken, html}) schema.job(pid, "embed");
    for (const std::string text : {"fine", "bad text", "poison", "strange"}) remember(text);
    CHECK(settled());
    CHECK(failed() == 6);
    look_at_hosts();
    // And outages of both, whose reasons go into the status and into memoird_hosts.
    qdrant.fault({.kind = "status", .status = 500});
    remember("outage");
    CHECK(memoird.process().wrote("memoir.breaker.opened"));
    memoird.process().signal(SIGUSR1);
    CHECK(memoird.process().wrote("memoir.worker.status"));
    CHECK(eventually([&] {
        return schema.number(
                   "select count(*) from $schema.memoird_hosts where endpoints::text like '%outage%'") == 1;
    }));
    look_at_hosts();
    look_at_page();
    qdrant.heal();
    CHECK(settled());
    CHECK(memoird.stop() == 0);
    check_silent(memoird);
}

TEST_CASE_METHOD(Fixture, "no secret is told, wherever it is configured and whatever refuses it") {
    const bool json = GENERATE(true, false);
    CAPTURE(json);
    auto& qdrant = QdrantDouble::shared();
    qdrant.settings({{"api_key", "another"}});
    const auto directory = std::filesystem::temp_directory_path() / ("memoird-keys-" + schema.name());
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "key") << key << "\n";
    std::filesystem::permissions(directory / "key", std::filesystem::perms::owner_read);
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.refuse(true);
    embedder.before(
        [](const HttpRequest&) { return HttpReply{.status = 401, .body = "{\"error\": \"x\"}"}; });
    const auto file = "\"" + (directory / "key").string() + "\"";
    Memoird memoird(
        schema, embedder,
        {.url =
             "postgresql://postgres:" + password + "@127.0.0.1:" + std::to_string(proxy.port()) + "/memoir",
         .settings = two_attempts() + listening() +
                     std::map<std::string, std::string>{{"vector.backend", "\"qdrant\""},
                                                        {"vector.url", "\"" + qdrant.url() + "\""},
                                                        {"vector.api_key_file", file},
                                                        {"embedding.api_key_file", file}},
         .json = json});
    // The database is away first, then the index and the embedding server refuse what they are given.
    CHECK(memoird.process().wrote("waiting for the database"));
    proxy.refuse(false);
    REQUIRE(memoird.ready());
    remember("fine");
    CHECK(memoird.process().wrote("memoir.breaker.opened"));
    look_at_hosts();
    look_at_page();
    memoird.process().signal(SIGUSR1);
    CHECK(memoird.process().wrote("memoir.worker.status"));
    proxy.refuse(true);
    proxy.cut_all();
    CHECK(memoird.process().wrote("database unavailable"));
    proxy.refuse(false);
    CHECK(memoird.stop() == 0);
    check_silent(memoird);
    const auto printed =
        run({.arguments = {BINARY_DIR "/memoird", "--config", memoird.config_file(), "--print-config"},
             .environment = {},
             .input = {}});
    CHECK(printed.code == 0);
    for (const auto& secret : {password, key})
        CHECK((printed.output + printed.errors).find(secret) == std::string::npos);
    std::filesystem::remove_all(directory);
}

TEST_CASE_METHOD(Fixture, "a URL with credentials in it is refused without repeating them") {
    auto url = embedder.url();
    url.insert(url.find("127."), user_info + ":" + password + "@");
    Memoird memoird(schema, embedder, {.settings = {{"embedding.url", "\"" + url + "\""}}});
    CHECK(memoird.process().wait() == 78);
    CHECK(memoird.log().find("embedding.url") != std::string::npos);
    for (const auto& secret : {password, user_info}) CHECK(memoird.log().find(secret) == std::string::npos);
}
