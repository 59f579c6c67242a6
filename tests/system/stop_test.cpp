// How memoird ends, and what it tells systemd on the way: signals, exit codes, rows handed back.

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "app/daemon.hpp"
#include "config/config.hpp"
#include "support/guarded.hpp"
#include "support/tcp_proxy.hpp"
#include "system/events.hpp"
#include "system/notify_socket.hpp"
#include "system/queue_fixture.hpp"
#include "telemetry/open_log.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    Fixture() { count_effects(schema); }

    std::int64_t held() {
        return schema.number(
            "select count(*) from $schema.memory_jobs where state = 'claimed' and claimed_by like "
            "'memoird/%'");
    }
    std::int64_t pending() {
        return schema.number(
            "select count(*) from $schema.memory_jobs where state = 'pending' and attempts = 0");
    }
    std::int64_t jobs() { return schema.number("select count(*) from $schema.memory_jobs"); }

    // It ended with this code within the limit, said so, and holds nothing.
    void check_end(Memoird& memoird, int code, std::chrono::milliseconds limit, const std::string& outcome) {
        const auto begun = Clock::now();
        const auto ended = memoird.process().wait(limit);
        INFO(memoird.log());
        CHECK(ended == code);
        CHECK(Clock::now() - begun < limit);
        const auto exited = events(memoird, "memoir.worker.exited");
        REQUIRE(exited.size() == 1);
        CHECK(exited.front().at("exit_code") == code);
        const auto shutdown = values(memoird, "memoir.worker.shutdown", "outcome");
        CHECK(shutdown == (outcome.empty() ? std::set<std::string>{} : std::set{outcome}));
        CHECK(held() == 0);
        CHECK(schema.number("select count(*) from $schema.memoird_hosts") == 0);
    }
};

std::map<std::string, std::string> drain_timeout(const std::string& time) {
    return {{"worker.drain_timeout", "\"" + time + "\""}};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "TERM while idle ends it at once with 0") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    Memoird memoird(schema, embedder);
    REQUIRE(memoird.ready());
    memoird.process().signal(signal);
    check_end(memoird, 0, 10s, "drained");
}

TEST_CASE_METHOD(Fixture, "TERM in a batch finishes that batch and claims no further") {
    EmbeddingGate gate(embedder);
    fill(schema, 20);
    NotifySocket systemd;
    Memoird memoird(schema, embedder, {.settings = embed_lane(1, 4), .environment = systemd.environment()});
    REQUIRE(gate.reached());
    memoird.process().signal(SIGTERM);
    REQUIRE(systemd.told("STOPPING=1"));
    CHECK(memoird.process().running());
    gate.open = true;
    check_end(memoird, 0, 20s, "drained");
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 4);
    CHECK(pending() == 16);
}

TEST_CASE_METHOD(Fixture, "TERM in a hanging backend hands the rows back when the drain's time is over") {
    embedder.before([](const HttpRequest& request) {
        return request.body.find("text ") != std::string::npos ? HttpReply{.fault = HttpReply::Fault::hang}
                                                               : HttpReply{};
    });
    fill(schema, 8);
    Memoird memoird(schema, embedder, {.settings = embed_lane(2, 4) + drain_timeout("500ms")});
    REQUIRE(eventually([&] { return held() == 8; }));
    memoird.process().signal(SIGTERM);
    check_end(memoird, 0, 15s, "timeout");
    CHECK(pending() == 8);
    CHECK(events(memoird, "memoir.worker.job_released").size() == 8);
}

TEST_CASE_METHOD(Fixture, "a second TERM hands everything back at once") {
    EmbeddingGate gate(embedder);
    fill(schema, 4);
    NotifySocket systemd;
    Memoird memoird(
        schema, embedder,
        {.settings = embed_lane(1, 4) + drain_timeout("5m"), .environment = systemd.environment()});
    REQUIRE(gate.reached());
    memoird.process().signal(SIGTERM);
    REQUIRE(systemd.told("STOPPING=1"));
    CHECK(memoird.process().running());
    memoird.process().signal(SIGTERM);
    check_end(memoird, 0, 15s, "timeout");
    CHECK(pending() == 4);
    CHECK(events(memoird, "memoir.worker.aborted").size() == 1);
    gate.open = true;
}

TEST_CASE_METHOD(Fixture,
                 "TERM while the database is away ends in time, with what it held left to recovery") {
    EmbeddingGate gate(embedder);
    fill(schema, 4);
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    Memoird memoird(schema, embedder,
                    {.url = Cluster::shared().tcp_url("memoir", proxy.port()),
                     .settings = quick(embed_lane(1, 4) + drain_timeout("500ms"))});
    REQUIRE(gate.reached());
    proxy.refuse(true);
    proxy.cut_all();
    gate.open = true;
    REQUIRE(memoird.process().wrote("memoir.database.down"));
    memoird.process().signal(SIGTERM);
    CHECK(memoird.process().wait(25s) == 0);
    CHECK(values(memoird, "memoir.worker.shutdown", "outcome") == std::set<std::string>{"timeout"});
    CHECK(held() == 4);
    // The next one brings them to their end.
    Memoird next(schema, embedder, {.settings = quick(embed_lane(1, 4))});
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(next.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
}

TEST_CASE_METHOD(Fixture, "TERM during the start ends it with 0, whatever it is waiting for") {
    const std::string what = GENERATE("refused", "half-open", "locked", "backend");
    CAPTURE(what);
    NotifySocket systemd;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto blocker = schema.connect();
    if (what == "refused") proxy.refuse(true);
    if (what == "half-open") proxy.swallow(true);
    if (what == "locked") {
        blocker->exec("begin");
        blocker->exec("lock table \"" + schema.name() + "\".graph_triple_staging in access exclusive mode");
    }
    if (what == "backend")
        embedder.before([](const HttpRequest&) { return HttpReply{.fault = HttpReply::Fault::hang}; });
    fill(schema, 4);
    Memoird memoird(schema, embedder,
                    {.url = Cluster::shared().tcp_url("memoir", proxy.port()),
                     .settings = {{"embedding.timeout", "\"30s\""}},
                     .environment = systemd.environment()});
    if (what == "refused") {
        REQUIRE(systemd.told("STATUS=waiting for the database"));
        CHECK(systemd.told("EXTEND_TIMEOUT_USEC="));
    }
    if (what == "half-open") REQUIRE(eventually([&] { return proxy.accepted() > 0; }));
    if (what == "locked")
        REQUIRE(eventually([&] {
            return schema.number(
                       "select count(*) from pg_locks where not granted and relation = "
                       "'$schema.graph_triple_staging'::regclass") > 0;
        }));
    if (what == "backend") REQUIRE(eventually([&] { return !embedder.server().requests().empty(); }));
    memoird.process().signal(SIGTERM);
    check_end(memoird, 0, 10s, "");
    CHECK(events(memoird, "memoir.worker.started").empty());
    CHECK(systemd.count("READY=1") == 0);
    CHECK(systemd.count("STOPPING=1") == 1);
    CHECK(pending() == 4);
}

TEST_CASE_METHOD(Fixture, "a database that goes away during the start is waited for") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto blocker = schema.connect();
    blocker->exec("begin");
    blocker->exec("lock table \"" + schema.name() + "\".graph_triple_staging in access exclusive mode");
    Memoird memoird(schema, embedder, {.url = Cluster::shared().tcp_url("memoir", proxy.port())});
    REQUIRE(eventually([&] {
        return schema.number(
                   "select count(*) from pg_locks where not granted and relation = "
                   "'$schema.graph_triple_staging'::regclass") > 0;
    }));
    proxy.cut_all();
    blocker->exec("rollback");
    CHECK(memoird.ready());
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "until idle: 0 when all is done, parked rows included") {
    // Fails once, waits, and is done then: the row that waits is waited for.
    std::atomic<int> failures = 1;
    embedder.before([&](const HttpRequest& request) {
        const bool fails = request.body.find("text ") != std::string::npos && failures-- > 0;
        return fails ? HttpReply{.status = 409} : HttpReply{};
    });
    fill(schema, 1);
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 4)), .arguments = {"--until-idle"}});
    check_end(memoird, 0, 60s, "drained");
    CHECK(events(memoird, "memoir.worker.job_failed").size() == 1);
    CHECK(jobs() == 0);
}

TEST_CASE_METHOD(Fixture, "until idle: 1 when a job ended failed meanwhile") {
    embedder.before([](const HttpRequest& request) {
        return request.body.find("text 3") != std::string::npos ? HttpReply{.status = 400} : HttpReply{};
    });
    fill(schema, 5);
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 4)), .arguments = {"--until-idle"}});
    check_end(memoird, 1, 60s, "drained");
    CHECK(jobs() == 1);
    // An old failure is no failure of this run.
    Memoird again(schema, embedder, {.settings = quick(embed_lane(1, 4)), .arguments = {"--until-idle"}});
    check_end(again, 0, 60s, "drained");
}

TEST_CASE_METHOD(Fixture, "until idle: 69 when nothing can be done for as long as it is patient") {
    // In this process, for the sake of a patience of two seconds: the program's own is a minute.
    const std::string away = GENERATE("database", "embedding");
    CAPTURE(away);
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    if (away == "database")
        proxy.refuse(true);
    else
        embedder.server().stop();
    fill(schema, 1);
    const auto directory = temporary_directory("mst");
    const auto file = directory + "/memoird.toml";
    std::ofstream(file) << "database.url = \"" << Cluster::shared().tcp_url("memoir", proxy.port())
                        << "\"\ndatabase.schema = \"" << schema.name()
                        << "\"\nembedding.provider = \"ollama\""
                        << "\nembedding.url = \"" << embedder.url() << "\"\nembedding.model = \"double\""
                        << "\nembedding.dimension = 4\nvector.backend = \"postgres\"\nlog.format = \"json\""
                        << "\nlog.level = \"error\"\n";
    config::Sources sources;
    sources.file = file;
    auto loaded = config::load(sources);
    REQUIRE(loaded.problems.empty());
    const auto log = telemetry::open_log(loaded.config.log);
    app::DaemonOptions options;
    options.until_idle = true;
    options.patience = 2s;
    app::Daemon daemon(std::move(loaded.config), std::move(options), *log);
    const auto begun = Clock::now();
    CHECK(daemon.run() == 69);
    CHECK(Clock::now() - begun >= 2s);
    CHECK(pending() == 1);
    std::filesystem::remove_all(directory);
}

TEST_CASE_METHOD(Fixture, "HUP with a bad file changes nothing and says where it is bad") {
    Memoird memoird(schema, embedder);
    REQUIRE(memoird.ready());
    std::ofstream(memoird.config_file(), std::ios::app) << "worker.leese = \"1s\"\n";
    memoird.process().signal(SIGHUP);
    REQUIRE(memoird.process().wrote("memoir.config.rejected"));
    const auto rejected = events(memoird, "memoir.config.rejected");
    REQUIRE(rejected.size() == 1);
    const std::string where = text_of(rejected.front(), "where");
    CHECK(where.starts_with(memoird.config_file() + ":"));
    CHECK(std::count(where.begin(), where.end(), ':') == 2);
    CHECK(text_of(rejected.front(), "message").find("leese") != std::string::npos);
    CHECK(text_of(rejected.front(), "hint").find("did you mean lease") != std::string::npos);
    CHECK(events(memoird, "memoir.config.reloaded").empty());
    // It goes on as before.
    fill(schema, 3);
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUP applies the log level and names what needs a restart") {
    NotifySocket systemd;
    Memoird memoird(schema, embedder,
                    {.settings = {{"log.level", "\"info\""}}, .environment = systemd.environment()});
    REQUIRE(memoird.ready());
    const auto config = read_file(memoird.config_file());
    auto changed = config;
    changed.replace(changed.find("log.level = \"info\""), 18, "log.level = \"debug\"");
    changed += "database.pool = 3\n";
    std::ofstream(memoird.config_file()) << changed;
    memoird.process().signal(SIGHUP);
    REQUIRE(memoird.process().wrote("memoir.config.reloaded"));
    CHECK(values(memoird, "memoir.config.reloaded", "restart_needed") ==
          std::set<std::string>{"database.pool"});
    CHECK(systemd.told("RELOADING=1"));
    CHECK(eventually([&] { return systemd.count("READY=1") == 2; }));
    fill(schema, 1);
    CHECK(memoird.process().wrote("memoir.worker.job_started"));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "USR1 writes what it does now") {
    EmbeddingGate gate(embedder);
    fill(schema, 4);
    Memoird memoird(schema, embedder, {.settings = embed_lane(1, 4)});
    REQUIRE(gate.reached());
    memoird.process().signal(SIGUSR1);
    REQUIRE(memoird.process().wrote("loop at work"));
    const auto status = events(memoird, "memoir.worker.status");
    REQUIRE(status.size() == 2);
    CHECK(status[0].at("in_hand") == 4);
    CHECK(status[0].at("claimed") == 4);
    CHECK(status[0].at("failed") == 0);
    CHECK(status[1].at("kind") == "embed");
    CHECK(status[1].at("worker") == "embed.0");
    CHECK(status[1].at("jobs") == 4);
    gate.open = true;
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "systemd is told of the start, the state, the watchdog and the stop") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.refuse(true);
    NotifySocket systemd;
    Memoird memoird(
        schema, embedder,
        {.url = Cluster::shared().tcp_url("memoir", proxy.port()), .environment = systemd.environment()});
    REQUIRE(systemd.told("STATUS=waiting for the database"));
    CHECK(systemd.told("EXTEND_TIMEOUT_USEC="));
    CHECK(systemd.count("READY=1") == 0);
    proxy.refuse(false);
    REQUIRE(systemd.told("READY=1"));
    CHECK(memoird.ready());
    const auto fed = systemd.count("WATCHDOG=1");
    CHECK(eventually([&] { return systemd.count("WATCHDOG=1") > fed + 1; }));
    fill(schema, 3);
    CHECK(systemd.told("3 done"));
    // A backend that goes is in the state too.
    embedder.server().stop();
    fill(schema, 1, "n");
    CHECK(systemd.told("embedding open"));
    memoird.process().signal(SIGTERM);
    REQUIRE(systemd.told("STOPPING=1"));
    for (const auto& datagram : systemd.all())
        if (datagram.find("STOPPING=1") != std::string::npos) {
            CHECK(datagram.find("STATUS=draining") != std::string::npos);
            CHECK(datagram.find("EXTEND_TIMEOUT_USEC=") != std::string::npos);
        }
    CHECK(memoird.process().wait() == 0);
}
