#include "queue/inspect.hpp"

#include <catch2/catch.hpp>

#include "queue/jobs_in_states.hpp"

using namespace memoir;
using Queue = test::JobsInStates;
using queue::JobState;

namespace {

constexpr const char* claim = "memoird/web-1:4711:abcdefghijkl/embed.0.7";

}  // namespace

TEST_CASE("lists failed jobs newest first, others in the order of the queue") {
    Queue queue;
    const auto first = queue.failed("embed"), second = queue.failed("extract"), pending = queue.job("embed"),
               later = queue.job("embed");
    queue.schema.sql("update $schema.memory_jobs set attempts = 4 where id = $1::bigint",
                     pg::Params().add(first));
    CHECK(queue.ids({}) == std::vector{first, second});
    CHECK(queue.ids({JobState::failed, "extract"}) == std::vector{second});
    CHECK(queue.ids({JobState::failed, {}, 1}) == std::vector{first});
    CHECK(queue.ids({JobState::pending}) == std::vector{pending, later});
    CHECK(queue.ids({std::nullopt}).size() == 4);
}

TEST_CASE("tells parked rows from claimed ones, and when they are due") {
    Queue queue;
    const auto parked = queue.parked("embed", "20 s");
    const auto held = queue.job("embed", "state = 'claimed', claimed_at = clock_timestamp(), claimed_by = '" +
                                             std::string(claim) + "'");
    const auto nameless = queue.job("embed", "state = 'claimed', claimed_at = clock_timestamp()");
    CHECK(queue.ids({JobState::parked}) == std::vector{parked});
    CHECK(queue.ids({JobState::claimed}) == std::vector{held, nameless});
    const auto row = queue.find(parked);
    REQUIRE(row);
    CHECK(row->state == JobState::parked);
    REQUIRE(row->due_in);
    CHECK(*row->due_in > 20);
    CHECK(*row->due_in <= 40);
    CHECK(row->due_at->size() == 24);
    CHECK_FALSE(queue.find(held)->due_at);
    CHECK_FALSE(queue.find(held + 1'000'000));
}

TEST_CASE("a pending row is a suspect when its holder died, whatever else its reason says") {
    Queue queue;
    CHECK(queue.find(queue.job("embed", "failure_reason = 'holder died: web-1:4711'"))->suspect());
    CHECK_FALSE(queue.find(queue.job("embed", "failure_reason = 'too long'"))->suspect());
    CHECK_FALSE(queue.find(queue.job("embed"))->suspect());
}

TEST_CASE("counts what a claim takes before a job") {
    Queue queue;
    const auto pid = queue.schema.memory("said");
    queue.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, created_at) select $1, k, '2026-01-01' "
        "from generate_series(1, 5), unnest(array['embed', 'extract']) k",
        pg::Params().add(pid));
    queue.failed("embed");
    const auto last = queue.find(queue.job("embed"));
    CHECK(queue::ahead_of(*queue.connection, queue.schema.name(), *last) == 5);
    CHECK(queue::ahead_of(*queue.connection, queue.schema.name(), *last, 3) == 3);
    // Equal created_at: the id decides, as in a claim.
    const auto rows = queue::list_jobs(*queue.connection, queue.schema.name(), {JobState::pending, "embed"});
    CHECK(queue::ahead_of(*queue.connection, queue.schema.name(), rows[0]) == 0);
    CHECK(queue::ahead_of(*queue.connection, queue.schema.name(), rows[4]) == 4);
}

TEST_CASE("says who holds rows, claims of one process together") {
    Queue queue;
    for (const auto* by :
         {"memoird/web-1:4711:abcdefghijkl/embed.0.7", "memoird/web-1:4711:abcdefghijkl/embed.1.8",
          "memoird/web-1:4712:mmmmmmmmmmmm/embed.0.1", "worker-a"})
        queue.job("embed",
                  "state = 'claimed', claimed_at = clock_timestamp() - interval '5 s', claimed_by = '" +
                      std::string(by) + "'");
    queue.job("extract", "state = 'claimed', claimed_at = clock_timestamp()");
    queue.parked("embed");
    const auto held = queue::holders(*queue.connection, queue.schema.name());
    REQUIRE(held.size() == 4);
    CHECK(held[0].holder == "an unnamed worker");
    CHECK(held[1].holder == "web-1:4711");
    CHECK(held[1].nonce == "abcdefghijkl");
    CHECK(held[1].rows == 2);
    CHECK(held[1].longest >= 5);
    CHECK(held[2].holder == "web-1:4712");
    CHECK(held[3].holder == "worker-a");
    CHECK_FALSE(held[3].nonce);
}
