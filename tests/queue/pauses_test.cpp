#include "queue/pauses.hpp"

#include <catch2/catch.hpp>

#include "queue/jobs_in_states.hpp"

using namespace memoir;
using Queue = test::JobsInStates;

TEST_CASE("pauses are kept once a kind, and a kind's own comes before the fleet's") {
    Queue queue;
    const auto run = [&](const pg::Statement& statement) {
        return queue.connection->exec(statement.sql, statement.params);
    };
    const auto& name = queue.schema.name();
    CHECK(run(queue::insert_pause(name, "*", "ann@ops")).rows() == 1);
    CHECK(run(queue::insert_pause(name, "*", "bob@ops")).rows() == 0);
    run(queue::insert_pause(name, "embed", "cid@ops"));
    const auto pauses = queue::read_pauses(run(queue::select_pauses(name)));
    REQUIRE(pauses.size() == 2);
    CHECK(queue::pause_of(pauses, "embed")->paused_by == "cid@ops");
    CHECK(queue::pause_of(pauses, "extract")->paused_by == "ann@ops");
    CHECK(queue::pause_of({pauses[1]}, "extract") == nullptr);
    CHECK(run(queue::delete_pause(name, "embed")).rows() == 1);
    run(queue::insert_pause(name, "extract", "ann@ops"));
    CHECK(run(queue::delete_pause(name, "*")).rows() == 2);
}
