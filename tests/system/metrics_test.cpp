#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <latch>

#include "system/events.hpp"
#include "system/metrics_scene.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using LabelSet = std::set<std::string>;

// What packaging/metrics.md says: "| `name` | type | label, label | …".
std::map<std::string, LabelSet> documented() {
    std::map<std::string, LabelSet> list;
    std::istringstream lines(read_file(SOURCE_DIR "/packaging/metrics.md"));
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `")) continue;
        std::vector<std::string> cells;
        std::istringstream row(line.substr(1));
        for (std::string cell; std::getline(row, cell, '|');) cells.push_back(cell);
        auto name = cells.at(0).substr(2, cells.at(0).size() - 4);
        const bool histogram = cells.at(1) == " histogram ";
        LabelSet labels;
        std::istringstream words(cells.at(2));
        for (std::string word; words >> word;)
            labels.insert(word.ends_with(',') ? word.substr(0, word.size() - 1) : word);
        if (!histogram) {
            list[name] = labels;
            continue;
        }
        list[name + "_sum"] = list[name + "_count"] = labels;
        labels.insert("le");
        list[name + "_bucket"] = labels;
    }
    return list;
}

}  // namespace

TEST_CASE("every metric of the list is in the scrape of a memoird at work, and no other one") {
    MetricsScene scene;
    REQUIRE(scene.work());
    REQUIRE(eventually([&] { return scene.value("memoird_queue_jobs", {{"state", "failed"}}) == 2; }));
    const auto text = scene.scrape();
    std::map<std::string, LabelSet> seen;
    for (const auto& sample : samples(text)) {
        LabelSet labels;
        for (const auto& [name, value] : sample.labels) labels.insert(name);
        seen[sample.name] = labels;
    }
    const auto list = documented();
    REQUIRE(list.size() > 30);
    for (const auto& [name, labels] : list) {
        INFO(name);
        CHECK(seen.contains(name));
        CHECK(seen[name] == labels);
    }
    for (const auto& [name, labels] : seen) {
        INFO(name);
        CHECK(list.contains(name));
    }
    if (const auto told = promtool(text))
        CHECK(*told == "");
    else
        WARN("promtool is not installed (apt-get install prometheus)");
    CHECK(scene.memoird().stop() == 0);
}

TEST_CASE("metrics count what was claimed, how it ended, and what the models were asked") {
    MetricsScene scene;
    REQUIRE(scene.work());
    const auto embed = [&](const std::string& outcome, const std::string& failure) {
        return scene.value("memoird_settles_total",
                           {{"kind", "embed"}, {"outcome", outcome}, {"failure", failure}});
    };
    // Three memories, their three facts, the refused one twice (it is judged when it is refused again), and
    // the poison twice.
    CHECK(eventually([&] { return embed("failed", "job") == 1; }));
    CHECK(embed("completed", "none") == 6);
    CHECK(embed("failed", "permanent") == 1);
    CHECK(embed("retried", "job") == 1);
    CHECK(scene.value("memoird_claims_total", {{"kind", "embed"}}) == 10);
    CHECK(scene.value("memoird_attempts_total", {{"kind", "embed"}}) == 3);
    CHECK(scene.value("memoird_retries_total", {{"kind", "embed"}}) == 1);
    CHECK(scene.value("memoird_recovered_total", {{"kind", "embed"}, {"holder", "parked"}}) == 2);
    CHECK(scene.value("memoird_job_wait_seconds_count", {{"kind", "embed"}}) == 10);
    CHECK(scene.value("memoird_job_run_seconds_count", {{"kind", "embed"}}) == 10);
    // One a transaction, and no batch was larger than its jobs.
    CHECK(scene.value("memoird_job_settle_seconds_count", {{"kind", "embed"}}) >= 3);
    CHECK(scene.value("memoird_job_settle_seconds_count", {{"kind", "embed"}}) <= 9);
    CHECK(scene.value("memoird_job_settle_seconds_count", {{"kind", "extract"}}) >= 3);
    CHECK(scene.value("memoird_job_settle_seconds_sum", {{"kind", "extract"}}) > 0);
    CHECK(scene.value("memoird_call_seconds_count", {{"endpoint", "extraction"}}) == 3);
    CHECK(scene.value("memoird_call_tokens_sum", {{"endpoint", "extraction"}, {"direction", "input"}}) ==
          300);
    CHECK(scene.value("memoird_call_tokens_sum", {{"endpoint", "extraction"}, {"direction", "output"}}) ==
          30);
    CHECK(scene.value("memoird_call_failures_total", {{"endpoint", "embedding"}, {"type", "permanent"}}) >=
          1);
    CHECK(scene.value("memoird_call_failures_total", {{"endpoint", "embedding"}, {"type", "job"}}) >= 2);
    CHECK(scene.value("memoird_call_failures_total", {{"endpoint", "extraction"}}) == 0);
    CHECK(scene.value("memoird_breaker_state", {{"endpoint", "embedding"}, {"state", "closed"}}) == 1);
    CHECK(get(scene.url() + "/healthz") == "ok\n");
    CHECK(get(scene.url() + "/readyz") == "ready\n");
    CHECK(scene.memoird().stop() == 0);
}

TEST_CASE("a kind that is left to others, or paused, has its gauge at 1, and the others at 0") {
    MetricsScene scene;
    REQUIRE(scene.memoird().ready());
    CHECK(scene.value("memoird_kind_unserved", {{"kind", "categorize"}}) == 1);
    CHECK(scene.value("memoird_kind_unserved", {{"kind", "extract"}}) == 0);
    CHECK(scene.value("memoird_kind_unserved") == 1);
    CHECK(scene.value("memoird_paused") == 0);
    scene.schema().sql("insert into $schema.memoird_pauses (kind, paused_by) values ('embed', 'somebody')");
    CHECK(eventually([&] { return scene.value("memoird_paused", {{"kind", "embed"}}) == 1; }));
    CHECK(scene.value("memoird_paused") == 1);
    scene.schema().sql("delete from $schema.memoird_pauses");
    CHECK(eventually([&] { return scene.value("memoird_paused") == 0; }));
    CHECK(scene.memoird().stop() == 0);
}

TEST_CASE("a reload that takes a kind away and gives it back moves its gauge to 1 and back to 0") {
    MetricsScene scene;
    auto& memoird = scene.memoird();
    REQUIRE(memoird.ready());
    CHECK(scene.value("memoird_kind_unserved", {{"kind", "extract"}}) == 0);
    const auto before = read_file(memoird.config_file());
    std::ofstream(memoird.config_file(), std::ios::app) << "lanes.only.kinds = [\"embed\"]\n";
    memoird.process().signal(SIGHUP);
    CHECK(eventually([&] { return scene.value("memoird_kind_unserved", {{"kind", "extract"}}) == 1; }));
    CHECK(scene.value("memoird_loops", {{"lane", "llm"}}) == -1);
    std::ofstream(memoird.config_file()) << before;
    memoird.process().signal(SIGHUP);
    CHECK(eventually([&] { return scene.value("memoird_kind_unserved", {{"kind", "extract"}}) == 0; }));
    CHECK(scene.value("memoird_loops", {{"lane", "llm"}}) == 8);
    // The model that came with the reload is counted as the one before.
    CHECK(scene.work());
    CHECK(eventually([&] {
        return scene.value("memoird_call_seconds_count", {{"endpoint", "extraction"}}) == 3;
    }));
    CHECK(memoird.stop() == 0);
}

TEST_CASE("what a dead process held is counted as recovered, with an attempt") {
    TestSchema schema;
    EmbeddingDouble embedder;
    std::latch release(1);
    embedder.before([&](const HttpRequest& request) {
        if (request.body.find("slow") != std::string::npos) release.wait();
        return HttpReply{};
    });
    const auto listen = "127.0.0.1:" + std::to_string(free_port());
    Memoird dying(schema, embedder, {.settings = quick({{"embedding.timeout", "\"10m\""}})});
    REQUIRE(dying.ready());
    schema.job(schema.memory("slow"), "embed");
    REQUIRE(eventually([&] {
        return schema.number("select count(*) from $schema.memory_jobs where state = 'claimed'") == 1;
    }));
    dying.process().signal(SIGKILL);
    CHECK(dying.process().wait() == 128 + SIGKILL);
    release.count_down();
    Memoird memoird(schema, embedder, {.settings = quick({{"metrics.listen", "\"" + listen + "\""}})});
    REQUIRE(memoird.ready());
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    const auto text = get("http://" + listen + "/metrics");
    for (const char* line : {R"(memoird_recovered_total{kind="embed",holder="memoird"} 1)",
                             R"(memoird_attempts_total{kind="embed"} 1)",
                             R"(memoird_settles_total{kind="embed",outcome="completed",failure="none"} 1)"}) {
        INFO(line);
        CHECK(text.find(line) != std::string::npos);
    }
    CHECK(memoird.stop() == 0);
}

TEST_CASE("the queue's depth is exact up to 10,000 of a kind and state, and says when there is more") {
    MetricsScene scene;
    const auto pid = scene.schema().memory("a");
    const auto enqueue = [&](int rows) {
        scene.schema().sql(
            "insert into $schema.memory_jobs (source_pid, kind, created_at) select $1, 'categorize', now() - "
            "interval '2 hours' from generate_series(1, $2::integer)",
            pg::Params().add(pid).add(rows));
    };
    const std::map<std::string, std::string> pending{{"kind", "categorize"}, {"state", "pending"}};
    enqueue(10'000);
    REQUIRE(scene.memoird().ready());
    CHECK(eventually([&] { return scene.value("memoird_queue_jobs", pending) == 10'000; }));
    CHECK(scene.value("memoird_queue_jobs_capped", pending) == 0);
    CHECK(scene.value("memoird_queue_oldest_seconds", {{"kind", "categorize"}}) > 7'199);
    CHECK(scene.value("memoird_queue_oldest_seconds", {{"kind", "embed"}}) == 0);
    enqueue(1);
    CHECK(eventually([&] { return scene.value("memoird_queue_jobs_capped", pending) == 1; }));
    CHECK(scene.value("memoird_queue_jobs", pending) == 10'000);
    CHECK(scene.value("memoird_queue_jobs_capped") == 1);
    CHECK(scene.memoird().stop() == 0);
}

TEST_CASE("the queue is counted by one statement, every 5 s at most, and hardly ever while nobody asks") {
    Cluster cluster({.config = {"shared_preload_libraries=pg_stat_statements"}});
    TestSchema schema(TestSchema::With::all, cluster);
    schema.sql("create extension pg_stat_statements");
    const auto counts = [&] {
        return schema.number(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements where query like "
            "'%with ordinality as k%'");
    };
    EmbeddingDouble embedder;
    const auto url = "127.0.0.1:" + std::to_string(free_port());
    Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"" + url + "\""}}});
    REQUIRE(memoird.ready());
    REQUIRE(eventually([&] { return counts() == 1; }));
    // Nobody asks: once is enough for a minute.
    CHECK_FALSE(eventually([&] { return counts() > 1; }, std::chrono::seconds(6)));
    // Somebody asks all the time, for both.
    const auto begun = Steady::now();
    std::vector<double> times;
    CHECK(eventually([&] {
        get("http://" + url + "/");
        for (const auto& sample : samples(get("http://" + url + "/metrics")))
            if (sample.name == "memoird_queue_counted_timestamp_seconds" &&
                (times.empty() || times.back() != sample.value))
                times.push_back(sample.value);
        return times.size() == 3;
    }));
    CHECK(counts() >= 3);
    // One at once, then one every 5 s.
    CHECK(counts() <= 2 + (Steady::now() - begun) / std::chrono::seconds(5));
    REQUIRE(times.size() == 3);
    // The clocks are two: of the pace, and of the time that is shown.
    CHECK(times[2] - times[1] > 4.9);
    CHECK(memoird.stop() == 0);
}

TEST_CASE("an address for metrics that is taken stops the start") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto port = std::to_string(embedder.server().port());
    Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"127.0.0.1:" + port + "\""}}});
    CHECK(memoird.process().wait() == 78);
}

TEST_CASE("metrics are served on a unix socket, which goes with the process") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto directory = temporary_directory("metrics");
    const auto path = directory + "/m.sock";
    {
        Memoird memoird(schema, embedder, {.settings = {{"metrics.listen", "\"unix:" + path + "\""}}});
        REQUIRE(memoird.ready());
        const auto ask = [&](const std::string& what) {
            return run({.arguments = {"curl", "-s", "--unix-socket", path, "http://whoever.example" + what},
                        .environment = {},
                        .input = {}})
                .output;
        };
        CHECK(ask("/metrics").find("memoird_build_info") != std::string::npos);
        CHECK(ask("/healthz") == "ok\n");
        CHECK(ask("/").find("<main>") != std::string::npos);
        CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::others_all) ==
              std::filesystem::perms::none);
        CHECK(memoird.stop() == 0);
    }
    CHECK_FALSE(std::filesystem::exists(path));
    std::filesystem::remove_all(directory);
}

TEST_CASE("an address beyond loopback is listened on only where that is allowed, and answers to addresses") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto port = std::to_string(free_port());
    const auto settings = [&](const std::string& allowed) {
        return std::map<std::string, std::string>{{"metrics.listen", "\"0.0.0.0:" + port + "\""},
                                                  {"metrics.allow_remote", allowed},
                                                  {"metrics.host_names", "[\"status.example.org\"]"}};
    };
    {
        Memoird memoird(schema, embedder, {.settings = settings("false")});
        CHECK(memoird.process().wait() == 78);
        CHECK(memoird.log().find("metrics.allow_remote") != std::string::npos);
    }
    Memoird memoird(schema, embedder, {.settings = settings("true")});
    const bool ready = memoird.ready();
    INFO(memoird.log());
    REQUIRE(ready);
    const auto status = [&](const std::string& host) {
        http::Client client;
        http::Request request;
        request.method = "GET";
        request.url = "http://127.0.0.1:" + port + "/";
        request.headers.emplace_back("Host", host);
        return client.send(request).status;
    };
    CHECK(status("10.1.2.3:" + port) == 200);
    CHECK(status("[2001:db8::1]:" + port) == 200);
    CHECK(status("status.example.org") == 200);
    CHECK(status("evil.example") == 403);
    CHECK(memoird.stop() == 0);
}
