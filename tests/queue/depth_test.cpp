#include "queue/depth.hpp"

#include <catch2/catch.hpp>

#include "queue/jobs_in_states.hpp"

using namespace memoir;
using queue::JobState;

namespace {

struct Queue : test::JobsInStates {
    std::vector<queue::Depth> depths(std::int64_t cap = queue::depth_cap, bool indexed = true) {
        const auto statement = queue::depth_statement(schema.name(), indexed, cap);
        return queue::read_depths(connection->exec(statement.sql, statement.params), cap);
    }
};

}  // namespace

TEST_CASE("counts each kind and state, and the age of the oldest pending row") {
    Queue queue;
    queue.job("embed", "created_at = clock_timestamp() - interval '1 hour'");
    queue.job("embed");
    queue.parked("embed");
    queue.job("extract", "state = 'claimed', claimed_at = clock_timestamp()");
    queue.failed("synthesize");
    const auto depths = queue.depths(queue::depth_cap, GENERATE(true, false));
    REQUIRE(depths.size() == 6);
    CHECK(depths[0].kind == "embed");
    CHECK(depths[0].pending == 2);
    CHECK(depths[0].parked == 1);
    CHECK(depths[0].claimed == 0);
    CHECK(depths[0].oldest.value() > 3599);
    CHECK(depths[1].claimed == 1);
    CHECK_FALSE(depths[1].oldest);
    CHECK(depths[5].failed == 1);
    CHECK_FALSE(depths[0].capped);
}

TEST_CASE("counts a kind by the index, also where most rows are of another kind") {
    Queue queue;
    queue.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select $1, 'extract' from generate_series(1, "
        "20000)",
        pg::Params().add(queue.schema.memory("said")));
    queue.job("embed");
    queue.schema.sql("analyze $schema.memory_jobs");
    const auto statement = queue::depth_statement(queue.schema.name(), true);
    const auto plan = queue.connection->exec("explain " + statement.sql, statement.params);
    for (int row = 0; row < plan.rows(); ++row) {
        INFO(plan.string(row, 0));
        CHECK(plan.string(row, 0).find("Seq Scan") == std::string::npos);
    }
    CHECK(queue.depths()[1].more(queue::JobState::pending));
}

TEST_CASE("counts up to the cap exactly, and says where it stopped") {
    Queue queue;
    for (int i = 0; i < 3; ++i) queue.job("embed");
    const bool indexed = GENERATE(true, false);
    CHECK(queue.depths(2, indexed)[0].pending == 2);
    CHECK(queue.depths(2, indexed)[0].more(queue::JobState::pending));
    CHECK_FALSE(queue.depths(3, indexed)[0].more(queue::JobState::pending));
    CHECK_FALSE(queue.depths(3)[0].capped);
    CHECK(queue.depths(3)[0].pending == 3);
    CHECK(queue.depths(2)[0].capped);
    CHECK(queue.depths(2)[0].pending == 2);
    // Exactly as many as the cap are counted; only the state that has more says so.
    CHECK_FALSE(queue.depths(3)[0].more(queue::JobState::pending));
    CHECK(queue.depths(2)[0].more(queue::JobState::pending));
    CHECK_FALSE(queue.depths(2)[0].more(queue::JobState::failed));
    CHECK(queue::count_jobs(*queue.connection, queue.schema.name(), {JobState::pending}) == 3);
    CHECK(queue::count_jobs(*queue.connection, queue.schema.name(), {JobState::pending, "extract"}) == 0);
}
