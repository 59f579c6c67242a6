#include "queue/hosts.hpp"

#include <catch2/catch.hpp>

#include "queue/jobs_in_states.hpp"

using namespace memoir;
using Queue = test::JobsInStates;

TEST_CASE("a host's row is written once a heartbeat, read with its age, and forgotten after a day") {
    Queue queue;
    const auto run = [&](const pg::Statement& statement) {
        return queue.connection->exec(statement.sql, statement.params);
    };
    const auto& name = queue.schema.name();
    endpoint::Snapshot open{"qdrant",  endpoint::State::open, FailureType::outage,
                            "refused", "vector.url",          Milliseconds(5'000)};
    endpoint::Snapshot closed{"embedding", endpoint::State::closed, FailureType::outage, "", ""};
    closed.max_concurrent = 8;
    closed.held_for = Milliseconds(7);
    queue::Host host{"n1", "web-1", 4711, "0.1.0", {"embed", "extract"}, {}, 0};
    host.endpoints = queue::endpoints_json(std::vector{open, closed});
    run(queue::upsert_host(name, host, true));
    host.kinds = {"embed"};
    run(queue::upsert_host(name, host, true));
    run(queue::upsert_host(name, {"n2", "web-2", 1, "0.1.0", {}, "[]", 0}, false));
    queue.schema.sql(
        "update $schema.memoird_hosts set seen_at = seen_at - interval '25 hours' where nonce = 'n2'");
    auto hosts = queue::read_hosts(run(queue::select_hosts(name)));
    REQUIRE(hosts.size() == 2);
    CHECK(hosts[0].kinds == std::vector<std::string>{"embed"});
    CHECK(hosts[0].seen_seconds_ago < 60);
    CHECK(hosts[1].kinds.empty());
    CHECK(hosts[1].seen_seconds_ago > 90'000);
    CHECK(queue.schema.value(
              "select endpoints->0->>'reason' from $schema.memoird_hosts where nonce = 'n1'") == "refused");
    CHECK(queue.schema.number("select count(*) from $schema.memoird_hosts where endpoints->1 ? 'reason'") ==
          0);
    CHECK(queue.schema.number("select count(*) from $schema.memoird_hosts where endpoints->1 @> "
                              "'{\"max_concurrent\": 8, \"held_ms\": 7, \"in_flight\": 0}'") == 1);
    // Since when it drains is said once.
    host.draining = true;
    run(queue::upsert_host(name, host, true));
    const auto since =
        queue.schema.value("select draining_since::text from $schema.memoird_hosts where nonce = 'n1'");
    run(queue::upsert_host(name, host, true));
    CHECK(queue.schema.value("select draining_since::text from $schema.memoird_hosts where nonce = 'n1'") ==
          since);
    CHECK(run(queue::delete_unseen_hosts(name, 10)).affected() == 1);
    run(queue::delete_host(name, "n1"));
    CHECK(queue::read_hosts(run(queue::select_hosts(name))).empty());
}
