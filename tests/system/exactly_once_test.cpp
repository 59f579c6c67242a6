// Rows are lost by none and done twice by none, whoever dies.

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "support/scale.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

TEST_CASE("two processes with 8 loops each settle every row exactly once") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, scaled(20'000));
    const Memoird::Options options{.settings = quick(embed_lane(8, 32)), .arguments = {"--until-idle"}};
    Memoird one(schema, embedder, options), two(schema, embedder, options);
    CHECK(one.process().wait(std::chrono::minutes(5)) == 0);
    CHECK(two.process().wait(std::chrono::minutes(5)) == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
}

TEST_CASE(
    "killed in the middle of batches again and again: nothing lost, nothing twice, attempts for dead holders' jobs "
    "only") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 3'000);
    auto settings = quick(embed_lane(4, 4));
    settings["worker.max_attempts"] = "1000";
    const auto effects = [&] { return schema.number("select count(*) from $schema.effects"); };
    for (int death = 0; death < scaled(50, 10); ++death) {
        Memoird memoird(schema, embedder, {.settings = settings});
        const auto before = effects();
        // In the middle: some batches are settled, others are under way.
        REQUIRE(eventually([&] { return effects() > before + 8; }, std::chrono::minutes(2)));
        memoird.process().signal(SIGKILL);
        memoird.process().wait();
        if (schema.number("select count(*) from $schema.memory_jobs where state = 'pending'") < 100)
            fill(schema, 1'000, "n" + std::to_string(death) + "-");
    }
    Memoird last(schema, embedder, {.settings = settings});
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; },
                     std::chrono::minutes(5)));
    CHECK(last.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(unjust_attempts(schema) == 0);
    CHECK(schema.number("select count(*) from $schema.attempts") > 0);
}

TEST_CASE(
    "a job that always kills its worker ends in failed with the holder named, and the rest of its batch "
    "finish") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 31);
    const auto poison = schema.memory("poison");
    schema.job(poison, "embed");
    std::atomic<pid_t> victim = 0;
    std::atomic<int> deaths = 0;
    embedder.before([&](const HttpRequest& request) {
        if (request.body.find("poison") != std::string::npos) {
            ++deaths;
            kill(victim, SIGKILL);
            return HttpReply{.fault = HttpReply::Fault::hang};
        }
        return HttpReply{};
    });
    const auto done = [&] {
        return schema.number("select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
    };
    // As systemd would: a new process after each death.
    while (deaths < 10 && !done()) {
        Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 32))});
        victim = memoird.process().pid();
        REQUIRE(eventually([&] { return done() || !memoird.process().running(); }, std::chrono::minutes(2)));
    }
    CHECK(deaths == 3);
    CHECK(schema.value("select state || ' ' || attempts from $schema.memory_jobs where source_pid = $1",
                       pg::Params().add(poison)) == "failed 3");
    const auto reason = schema.value("select failure_reason from $schema.memory_jobs");
    CHECK(reason.starts_with("holder died: memoird/"));
    CHECK(schema.value("select qdrant_status from $schema.memories where pid = $1",
                       pg::Params().add(poison)) == "failed");
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 31);
    CHECK(schema.number("select count(*) from $schema.effects") == 31);
}

TEST_CASE("a stale holder that wakes up after its lease ended changes nothing") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 8);
    std::atomic<bool> hold = true, held = false;
    embedder.before([&](const HttpRequest& request) {
        if (request.body.find("text ") != std::string::npos && hold.exchange(false)) {
            held = true;
            eventually([&] { return !held; }, std::chrono::minutes(2));
        }
        return HttpReply{};
    });
    const Memoird::Options options{.settings = quick(embed_lane(1, 8))};
    Memoird stale(schema, embedder, options);
    REQUIRE(eventually([&] { return held.load(); }));
    stale.process().signal(SIGSTOP);
    Memoird fresh(schema, embedder, options);
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    held = false;  // its reply is there when it wakes
    stale.process().signal(SIGCONT);
    CHECK(stale.process().wrote("memoir.worker.lease_lost"));
    CHECK(stale.stop() == 0);
    CHECK(fresh.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(unjust_attempts(schema) == 0);
}

TEST_CASE(
    "an agent that deletes memories while their jobs are settled never fails, and is never charged a "
    "deadlock") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    constexpr int agents = 4;
    const int rows = scaled(10'000, 2'000);
    fill(schema, rows);
    // Two jobs a memory: cascades lock several rows of the queue.
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select pid, 'embed' from $schema.memories");
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(4, 16))});
    REQUIRE(memoird.ready());
    std::atomic<int> deleted = 0, failures = 0;
    {
        std::vector<std::jthread> threads;
        for (int agent = 0; agent < agents; ++agent)
            threads.emplace_back([&, agent] {
                auto connection = schema.connect();
                for (int row = agent + 1; row <= rows; row += agents) {
                    try {
                        connection->exec("delete from \"" + schema.name() + "\".memories where pid = $1",
                                         pg::Params().add("m" + std::to_string(row)));
                        ++deleted;
                    } catch (const pg::Error&) {
                        ++failures;
                    }
                }
            });
    }
    CHECK(deleted == rows);
    CHECK(failures == 0);
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    CHECK(memoird.stop() == 0);
    CHECK(schema.number("select deadlocks from pg_stat_database where datname = current_database()") == 0);
    CHECK(schema.number("select count(*) from $schema.memoird_vectors") == 0);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
}
