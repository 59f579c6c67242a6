// The database goes away in every way it can, and memoird goes on by itself.

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <thread>

#include "support/pgbouncer.hpp"
#include "support/scale.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

// A statement of the test's own, repeated while the server is being restarted.
std::int64_t patiently(TestSchema& schema, const std::string& sql) {
    for (int attempt = 0;; ++attempt) {
        try {
            auto connection = schema.connect();
            std::string text = sql;
            for (auto at = text.find("$schema"); at != std::string::npos; at = text.find("$schema"))
                text.replace(at, 7, "\"" + schema.name() + "\"");
            return connection->exec(text).integer(0, 0);
        } catch (const pg::Error&) {
            if (attempt > 1'000) throw;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
}

bool drained(TestSchema& schema) {
    return eventually([&] { return patiently(schema, "select count(*) from $schema.memory_jobs") == 0; },
                      std::chrono::minutes(3));
}

// A pace at which the queue lasts for as long as the test needs it.
void slow_down(EmbeddingDouble& embedder, std::chrono::milliseconds pause) {
    embedder.before([pause](const HttpRequest&) {
        std::this_thread::sleep_for(pause);
        return HttpReply{};
    });
}

}  // namespace

TEST_CASE(
    "PostgreSQL is restarted, fast and immediate, and what was lost of asynchronous commits is done again") {
    Cluster cluster({.fsync = true, .config = {}});
    TestSchema schema(TestSchema::With::all, cluster);
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 2'000);
    slow_down(embedder, std::chrono::milliseconds(5));
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(4, 8))});
    REQUIRE(memoird.ready());
    for (const auto how :
         {Cluster::Stop::fast, Cluster::Stop::immediate, Cluster::Stop::kill, Cluster::Stop::immediate}) {
        const auto before = embedder.texts();
        REQUIRE(eventually([&] { return embedder.texts() > before + 100; }));
        cluster.stop(how);
        cluster.start();
    }
    CHECK(drained(schema));
    CHECK(memoird.stop() == 0);
    // Each effect stands once: what a crash took away took the removal of its row along.
    CHECK(patiently(schema, "select count(*) from $schema.effects") == 2'000);
    CHECK(patiently(schema, "select count(distinct pid) from $schema.effects") == 2'000);
    CHECK(patiently(schema, "select count(*) from $schema.attempts") == 0);
}

TEST_CASE("connections are terminated at random, during a drain too, and nothing is lost or done twice") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 3'000);
    slow_down(embedder, std::chrono::milliseconds(3));
    std::atomic<bool> ready = false;  // a start that is never let connect is another test's
    std::jthread terminator([&](const std::stop_token& over) {
        auto connection = schema.connect();
        while (!over.stop_requested()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
            if (!ready) continue;
            connection->exec(
                "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where "
                "application_name "
                "like 'memoird%' and datname = current_database() order by random() limit 1) p");
        }
    });
    for (int run = 0; run < 3; ++run) {
        ready = false;
        Memoird memoird(schema, embedder, {.settings = quick(embed_lane(4, 8))});
        REQUIRE(memoird.ready());
        ready = true;
        const auto before = embedder.texts();
        INFO(memoird.log().substr(0, 4'000));
        REQUIRE(eventually([&] { return embedder.texts() > before + 300; }));
        CHECK(memoird.stop() == 0);
        CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_by like 'memoird/%'") ==
              0);
    }
    terminator.request_stop();
    terminator.join();
    Memoird last(schema, embedder, {.settings = quick(embed_lane(4, 8)), .arguments = {"--until-idle"}});
    CHECK(last.process().wait(std::chrono::minutes(3)) == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
}

TEST_CASE("half-open connections are given up and replaced") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 500);
    slow_down(embedder, std::chrono::milliseconds(10));
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    Memoird memoird(
        schema, embedder,
        {.url = Cluster::shared().tcp_url("memoir", proxy.port()), .settings = quick(embed_lane(2, 8))});
    REQUIRE(memoird.ready());
    const auto before = embedder.texts();
    REQUIRE(eventually([&] { return embedder.texts() > before + 50; }));
    proxy.swallow(true);
    REQUIRE(memoird.process().wrote("memoir.database.down"));
    proxy.cut_all();
    proxy.swallow(false);
    CHECK(drained(schema));
    CHECK(memoird.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
}

TEST_CASE("the database is away for three leases, three times: no attempt counted, nobody declared dead") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 600);
    slow_down(embedder, std::chrono::milliseconds(20));
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    const Memoird::Options options{.url = Cluster::shared().tcp_url("memoir", proxy.port()),
                                   .settings = quick(embed_lane(2, 4))};
    Memoird one(schema, embedder, options), two(schema, embedder, options);
    REQUIRE(one.ready());
    REQUIRE(two.ready());
    for (int outage = 0; outage < 3; ++outage) {
        const auto before = embedder.texts();
        REQUIRE(eventually([&] { return embedder.texts() > before + 40; }));
        proxy.refuse(true);
        proxy.cut_all();
        // Three leases of 2.1 s, and they have to pass: this is what the test is about.
        std::this_thread::sleep_for(std::chrono::milliseconds(3 * 2'100));
        proxy.refuse(false);
    }
    CHECK(drained(schema));
    CHECK(one.stop() == 0);
    CHECK(two.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
    CHECK(one.events("memoir.worker.lease_recovered").empty());
    CHECK(two.events("memoir.worker.lease_recovered").empty());
}

TEST_CASE("the reply of a claim, a settle and a release is lost: adopted or released, no attempt") {
    // The bytes by which the statement is known on the wire.
    const std::string needle =
        GENERATE("for update skip locked) update", "delete from", "set state = 'pending'");
    CAPTURE(needle);
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 200);
    slow_down(embedder, std::chrono::milliseconds(20));
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    {
        Memoird memoird(schema, embedder,
                        {.url = Cluster::shared().tcp_url("memoir", proxy.port()),
                         .settings = quick(embed_lane(2, 4) + std::map<std::string, std::string>{
                                                                  {"worker.drain_timeout", "\"100ms\""}})});
        REQUIRE(memoird.ready());
        proxy.drop_replies(3, needle);
        const auto before = embedder.texts();
        REQUIRE(eventually([&] { return embedder.texts() > before + 20; }));
        CHECK(memoird.stop() == 0);
        CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_by like 'memoird/%'") ==
              0);
    }
    proxy.drop_replies(0);
    Memoird last(schema, embedder, {.settings = quick(embed_lane(2, 8)), .arguments = {"--until-idle"}});
    CHECK(last.process().wait(std::chrono::minutes(2)) == 0);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
    // A settle whose reply was lost may be followed by one more embedding of the same row: never by a lost
    // one.
    CHECK(schema.number("select count(distinct pid) from $schema.effects") == 200);
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 200);
}

TEST_CASE("through PgBouncer in transaction mode the queue is drained, and LISTEN is found not to work") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 500);
    PgBouncer bouncer(Cluster::shared());
    Memoird memoird(schema, embedder, {.url = bouncer.url(), .settings = quick(embed_lane(4, 16))});
    CHECK(drained(schema));
    CHECK(memoird.process().wrote("LISTEN does not deliver"));
    CHECK(memoird.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
}

TEST_CASE("a long backlog of one kind does not delay another lane") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto pid = schema.memory("a");
    const int backlog = scaled(1'000'000, 100'000);
    // A kind that is not served here, and stands before everything else.
    schema.sql("alter table $schema.memory_jobs disable trigger all");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select $1, 'extract' from generate_series(1, "
        "$2::integer)",
        pg::Params().add(pid).add(backlog));
    schema.sql("alter table $schema.memory_jobs enable trigger all");
    Memoird memoird(schema, embedder);
    REQUIRE(memoird.ready());
    for (int row = 0; row < 20; ++row) {
        const auto id = schema.job(pid, "embed");
        CHECK(eventually([&] {
            return schema.number("select count(*) from $schema.memory_jobs where id = $1",
                                 pg::Params().add(id)) == 0;
        }));
    }
    CHECK(memoird.stop() == 0);
    // Each claim read its own kind's index: nothing walked past the backlog.
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind = 'extract'") == backlog);
    CHECK(schema.number(
              "select coalesce(max(seq_tup_read), 0) from pg_stat_user_tables where schemaname = $1 and "
              "relname = 'memory_jobs'",
              pg::Params().add(schema.name())) < 10 * backlog);
}
