#include "queue/edit.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "queue/jobs_in_states.hpp"

using namespace memoir;
using Queue = test::JobsInStates;
using queue::JobState;

TEST_CASE("retries one failed job with fresh attempts in its old place") {
    Queue queue;
    const auto id = queue.failed("embed");
    const auto before = queue.schema.value("select created_at from $schema.memory_jobs");
    const auto job = queue::retry_job(*queue.connection, queue.schema.name(), id);
    REQUIRE(job);
    CHECK(job->state == JobState::pending);
    CHECK(job->attempts == 0);
    CHECK_FALSE(job->failure_reason);
    CHECK(queue.schema.value("select created_at from $schema.memory_jobs") == before);
}

TEST_CASE("retries and deletes no job that is not failed") {
    Queue queue;
    for (const auto id :
         {queue.job("embed"), queue.parked("embed"),
          queue.job("embed", "state = 'claimed', claimed_at = clock_timestamp()"), std::int64_t{999'999}}) {
        CHECK_FALSE(queue::retry_job(*queue.connection, queue.schema.name(), id));
        CHECK_FALSE(queue::delete_job(*queue.connection, queue.schema.name(), id, true));
    }
    CHECK(queue.schema.number("select count(*) from $schema.memory_jobs") == 3);
}

TEST_CASE("retries all of a kind, a dry run only counts") {
    Queue queue;
    const auto pid = queue.schema.memory("said");
    queue.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, attempts) select $1, 'embed', "
        "'failed', 3 from generate_series(1, 2500)",
        pg::Params().add(pid));
    queue.failed("extract");
    const auto all = [&](std::optional<std::string> kind, bool dry) {
        return queue::retry_all(*queue.connection, queue.schema.name(), {.kind = std::move(kind)}, dry);
    };
    CHECK(all({}, true) == 2501);
    CHECK(all("embed", true) == 2500);
    CHECK(queue.schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 2501);
    CHECK(all("embed", false) == 2500);
    CHECK(queue.schema.number(
              "select count(*) from $schema.memory_jobs where state = 'pending' and attempts = 0") == 2500);
    CHECK(all({}, false) == 1);
    CHECK(all({}, false) == 0);
}

TEST_CASE("passes over a failed job that somebody has locked, and waits for nobody") {
    Queue queue;
    const auto locked = queue.failed("embed");
    queue.failed("embed");
    const auto other = queue.schema.connect();
    pg::Transaction agent(*other, pg::Transaction::Durability::off);
    agent.exec("select from " + queue.schema.name() + ".memory_jobs where id = $1::bigint for update",
               pg::Params().add(locked));
    CHECK(queue::retry_all(*queue.connection, queue.schema.name(), {}, false) == 1);
    CHECK(queue.find(locked)->state == JobState::failed);
}

TEST_CASE("failed jobs are counted by reason, and those of some reasons are given back alone") {
    Queue queue;
    const auto fails = [&](const std::string& reason) {
        const auto id = queue.failed("embed");
        queue.schema.sql("update $schema.memory_jobs set failure_reason = $2 where id = $1::bigint",
                         pg::Params().add(id).add(reason));
        return id;
    };
    const auto bad = fails("HTTP 400");
    fails("HTTP 400");
    const auto other = fails("HTTP 413");
    auto& connection = *queue.connection;
    auto counted = queue::failed_by_reason(connection, queue.schema.name(), "embed");
    std::ranges::sort(counted, {}, &queue::FailedAs::reason);
    REQUIRE(counted.size() == 2);
    CHECK(counted[0].reason == "HTTP 400");
    CHECK(counted[0].jobs == 2);
    CHECK(counted[0].first <= counted[0].last);
    CHECK(queue::failed_by_reason(connection, queue.schema.name(), "extract").empty());

    const queue::Failed which{"embed", std::vector<std::string>{"HTTP 400"}};
    const auto begun = queue::retry_begins(connection);
    CHECK(queue::retry_some(connection, queue.schema.name(), which, begun, 1) == 1);
    CHECK(queue.find(bad)->state == JobState::pending);
    CHECK(queue::retry_some(connection, queue.schema.name(), which, begun, 9) == 1);
    CHECK(queue.find(other)->state == JobState::failed);
    CHECK(queue::failed_since(connection, queue.schema.name(), which, begun, 5) == 0);
    fails("HTTP 400");
    CHECK(queue::failed_since(connection, queue.schema.name(), which, begun, 5) == 1);
    CHECK(queue::retry_some(connection, queue.schema.name(), which, begun, 9) == 0);
}

TEST_CASE("deleting the last failed sibling lets the fan-in go on") {
    const std::string kind = GENERATE("extract", "relational_extract");
    Queue queue;
    const auto pid = queue.schema.memory("said");
    const auto id = queue.failed(kind, pid);
    const auto deleted = queue::delete_job(*queue.connection, queue.schema.name(), id, true);
    REQUIRE(deleted);
    CHECK(deleted->job.kind == kind);
    CHECK(deleted->synthesize_enqueued);
    CHECK(queue.synthesize_jobs(pid) == 1);
    CHECK_FALSE(queue.find(id));
}

TEST_CASE("deleting a failed job enqueues nothing where a sibling is left, or no graph is configured") {
    Queue queue;
    const auto pid = queue.schema.memory("said");
    const auto id = queue.failed("extract", pid);
    const auto sibling = queue.job("relational_extract", "", pid);
    CHECK_FALSE(queue::delete_job(*queue.connection, queue.schema.name(), id, true)->synthesize_enqueued);
    CHECK(queue.synthesize_jobs(pid) == 0);
    CHECK(queue.find(sibling));

    const auto alone = queue.schema.memory("said");
    CHECK_FALSE(
        queue::delete_job(*queue.connection, queue.schema.name(), queue.failed("extract", alone), false)
            ->synthesize_enqueued);
    CHECK(queue.synthesize_jobs(alone) == 0);
    const auto embed = queue.schema.memory("said");
    CHECK_FALSE(queue::delete_job(*queue.connection, queue.schema.name(), queue.failed("embed", embed), true)
                    ->synthesize_enqueued);
    CHECK(queue.synthesize_jobs(embed) == 0);
}

TEST_CASE("two siblings deleted at the same instant enqueue exactly one synthesize") {
    Queue queue;
    for (int round = 0; round < 50; ++round) {
        const auto pid = queue.schema.memory("said");
        const std::vector ids{queue.failed("extract", pid), queue.failed("relational_extract", pid)};
        {
            std::vector<std::jthread> threads;
            for (const auto id : ids)
                threads.emplace_back([&queue, id] {
                    queue::delete_job(*queue.schema.connect(), queue.schema.name(), id, true);
                });
        }
        REQUIRE(queue.synthesize_jobs(pid) == 1);
    }
}

TEST_CASE("a deleted synthesize takes its staged triples with it; other jobs leave them") {
    Queue queue;
    const auto pid = queue.schema.memory("said"), other = queue.schema.memory("said");
    queue.stage(pid);
    queue.stage(other);
    queue::delete_job(*queue.connection, queue.schema.name(), queue.failed("embed", pid), true);
    CHECK(queue.schema.number("select count(*) from $schema.graph_triple_staging") == 2);
    queue::delete_job(*queue.connection, queue.schema.name(), queue.failed("synthesize", pid), true);
    CHECK(queue.schema.value("select source_pid from $schema.graph_triple_staging") == other);
}

TEST_CASE("a delete waits for who holds the memory, and yields before a deadlock would be found") {
    Queue queue;
    const auto pid = queue.schema.memory("said");
    const auto id = queue.failed("extract", pid);
    const auto other = queue.schema.connect();
    auto agent = std::make_unique<pg::Transaction>(*other, pg::Transaction::Durability::off);
    agent->exec("delete from " + queue.schema.name() + ".memories where pid = $1", pg::Params().add(pid));
    std::optional<queue::Deleted> deleted = queue::Deleted{};
    std::jthread deleting([&] {
        const auto mine = queue.schema.connect();
        deleted = queue::delete_job(*mine, queue.schema.name(), id, true);
    });
    agent->commit();
    deleting.join();
    CHECK_FALSE(deleted);
    CHECK(queue.schema.number("select count(*) from $schema.memory_jobs") == 0);
}
