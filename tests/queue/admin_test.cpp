#include "queue/admin.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "queue/holder.hpp"
#include "queue/hosts.hpp"
#include "queue/pauses.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using queue::JobState;
using test::TestSchema;

namespace {

struct Queue {
    TestSchema schema;
    std::unique_ptr<pg::Connection> connection = schema.connect();

    std::int64_t job(const std::string& kind, const std::string& change = "", const std::string& pid = "") {
        const auto id = schema.job(pid.empty() ? schema.memory("said") : pid, kind);
        if (!change.empty())
            schema.sql("update $schema.memory_jobs set " + change + " where id = $1::bigint",
                       pg::Params().add(id));
        return id;
    }
    std::int64_t failed(const std::string& kind, const std::string& pid = "") {
        return job(kind, "state = 'failed', attempts = 3, failure_reason = 'too long'", pid);
    }
    std::int64_t parked(const std::string& kind, const std::string& since = "0 s") {
        return job(kind,
                   "state = 'claimed', claimed_by = 'parked', claimed_at = clock_timestamp() - interval '" +
                       since + "'");
    }
    std::vector<std::int64_t> ids(const queue::JobFilter& filter) {
        std::vector<std::int64_t> found;
        for (const auto& job : queue::list_jobs(*connection, schema.name(), filter)) found.push_back(job.id);
        return found;
    }
    std::optional<queue::JobRow> find(std::int64_t id) {
        return queue::find_job(*connection, schema.name(), id);
    }
    std::int64_t synthesize_jobs(const std::string& pid) {
        return schema.number(
            "select count(*) from $schema.memory_jobs where kind = 'synthesize' and source_pid = $1",
            pg::Params().add(pid));
    }
    void stage(const std::string& pid) {
        schema.sql("insert into $schema.graph_triple_staging (source_pid) values ($1)",
                   pg::Params().add(pid));
    }
    std::vector<queue::Depth> depths(std::int64_t cap = queue::depth_cap, bool indexed = true) {
        const auto statement = queue::depth_statement(schema.name(), indexed, cap);
        return queue::read_depths(connection->exec(statement.sql, statement.params), cap);
    }
};

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
    CHECK(held[0].holder == "a worker without a name");
    CHECK(held[1].holder == "web-1:4711");
    CHECK(held[1].nonce == "abcdefghijkl");
    CHECK(held[1].rows == 2);
    CHECK(held[1].longest >= 5);
    CHECK(held[2].holder == "web-1:4712");
    CHECK(held[3].holder == "worker-a");
    CHECK_FALSE(held[3].nonce);
}

TEST_CASE("reads a claim's holder, and nothing out of what is none") {
    const auto holder = queue::parse_holder("memoird/db.example-1:42:n0nce0123456/my.lane.3.19");
    REQUIRE(holder);
    CHECK(*holder == queue::Holder{"db.example-1", 42, "n0nce0123456", "my.lane"});
    for (const auto* text :
         {"", "parked", "worker-7", "memoird/", "memoird/host", "memoird/host:1:n", "memoird/host:1/l.0.1",
          "memoird/host:x:n/l.0.1", "memoird/:1:n/l.0.1", "memoird/h:1:/l.0.1"})
        CHECK_FALSE(queue::parse_holder(text));
}

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
        return queue::retry_all(*queue.connection, queue.schema.name(), kind, dry);
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
    run(queue::upsert_host(name, host));
    host.kinds = {"embed"};
    run(queue::upsert_host(name, host));
    run(queue::upsert_host(name, {"n2", "web-2", 1, "0.1.0", {}, "[]", 0}));
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
    CHECK(run(queue::delete_unseen_hosts(name)).affected() == 1);
    run(queue::delete_host(name, "n1"));
    CHECK(queue::read_hosts(run(queue::select_hosts(name))).empty());
}
