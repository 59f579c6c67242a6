#include "work/duties.hpp"

#include <catch2/catch.hpp>

#include "queue/duties.hpp"
#include "queue/hosts.hpp"
#include "work/double_stage.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using Claims = std::span<work::Claim>;

std::vector<std::string> take(TestSchema& schema, const std::vector<std::string>& names,
                              const std::string& nonce, Milliseconds hold = Milliseconds(60'000)) {
    const auto statement = queue::take_duties(schema.name(), names, nonce, hold);
    const auto result = schema.sql(statement.sql, statement.params);
    std::vector<std::string> taken;
    for (int row = 0; row < result.rows(); ++row) taken.push_back(result.string(row, 0));
    std::sort(taken.begin(), taken.end());
    return taken;
}

// Beats every 100 ms; the table of duties is there.
void hasten(Bench& bench) {
    bench.options.lease = Milliseconds(300);
    bench.additions.duties = bench.additions.hosts = bench.additions.draining_since = true;
}

std::int64_t claimed(Bench& bench, const std::string& by, const std::string& ago, int attempts = 0) {
    const auto id = bench.job();
    bench.schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp() - $3::interval, "
        "claimed_by = $2, attempts = $4 where id = $1",
        pg::Params().add(id).add(by).add(ago).add(attempts));
    return id;
}

}  // namespace

TEST_CASE("a duty is taken by one, kept by it, and free for others when its time has passed") {
    TestSchema schema;
    CHECK(take(schema, {"a", "b"}, "one") == std::vector<std::string>{"a", "b"});
    CHECK(take(schema, {"a", "b", "c"}, "two") == std::vector<std::string>{"c"});
    CHECK(take(schema, {"a"}, "one") == std::vector<std::string>{"a"});
    schema.sql(
        "update $schema.memoird_duties set until = clock_timestamp() - interval '1 second' where name = 'a'");
    CHECK(take(schema, {"a", "b"}, "two") == std::vector<std::string>{"a"});
    const auto leave = queue::leave_all_duties(schema.name(), "two");
    schema.sql(leave.sql, leave.params);
    CHECK(take(schema, {"a", "b", "c"}, "one") == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("a slice that takes long makes the next one smaller, and a quick one larger") {
    CHECK(work::Duties::next_limit(1'000, Milliseconds(500)) == 500);
    CHECK(work::Duties::next_limit(12, Milliseconds(500)) == 10);
    CHECK(work::Duties::next_limit(500, Milliseconds(100)) == 500);
    CHECK(work::Duties::next_limit(500, Milliseconds(10)) == 1'000);
    CHECK(work::Duties::next_limit(1'000, Milliseconds(10)) == 1'000);
}

TEST_CASE("what another process holds is left to it, and taken over when it is silent") {
    Bench bench;
    hasten(bench);
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second");
    take(bench.schema, {"recover"}, "other");
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] {
        return bench.schema.number(
                   "select count(distinct name) from $schema.memoird_duties where nonce <> 'other'") > 2;
    }));
    CHECK(bench.state(id) == "claimed/held/0/-");
    bench.schema.sql("update $schema.memoird_duties set until = clock_timestamp() where nonce = 'other'");
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.stop() == work::Engine::Drained::finished);
    CHECK(bench.schema.number("select count(*) from $schema.memoird_duties") == 0);
}

TEST_CASE("a table of duties that disappears leaves each process to itself") {
    Bench bench;
    hasten(bench);
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] { return bench.schema.number("select count(*) from $schema.memoird_duties") > 3; }));
    bench.schema.sql("drop table $schema.memoird_duties");
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second");
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
}

TEST_CASE("a duty that fails is told, and fails no heartbeat") {
    Bench bench;
    hasten(bench);
    std::atomic<int> tries = 0;
    bench.duties.push_back({"odd", Milliseconds(10), [&](pg::Connection& connection, int) {
                                ++tries;
                                connection.exec("select 1 / 0");
                                return false;
                            }});
    const auto id = bench.job();
    Gate gate;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        return bench.done(claims);
    });
    REQUIRE(gate.reached());
    CHECK(eventually([&] { return tries >= 3; }));
    CHECK(bench.log.count("memoir.duty.failed") >= 2);
    CHECK(bench.log.count("memoir.worker.lease_recovery_failed") == 0);
    CHECK(bench.log.count("memoir.worker.lease_lost") == 0);
    gate.open();
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
}

TEST_CASE("a process that was killed while it drained costs its jobs no attempt") {
    Bench bench;
    hasten(bench);
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second", 2);
    bench.schema.sql(
        "insert into $schema.memoird_hosts (nonce, host, pid, version, kinds, seen_at, draining_since) values "
        "('dead', 'h', 9, '1', '{}', clock_timestamp() - interval '1 hour', clock_timestamp() - interval '1 hour')");
    std::atomic<int> attempts = -1;
    bench.start([&](Claims claims, auto&, auto) {
        attempts = claims.front().job().attempts;
        CHECK_FALSE(claims.front().job().suspect);
        return bench.done(claims);
    });
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(attempts == 2);
}

TEST_CASE("thousands of due jobs and of jobs without an attempt left are put right in slices") {
    Bench bench;
    hasten(bench);
    bench.options.lanes.front().loops = 1;
    bench.schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', 'u', 'x' "
        "from generate_series(1, 3000) i");
    bench.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, claimed_at, claimed_by, attempts) select pid, "
        "'embed', 'claimed', now() - interval '2 minutes', case when id % 2 = 0 then 'parked' else "
        "'memoird/h:9:dead/embed.0.1' end, 2 from $schema.memories");
    std::atomic<std::size_t> failed_sources = 0;
    bench.entry.when_failed = [&](pg::Transaction&, std::span<const std::string> pids) {
        failed_sources += pids.size();
    };
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] {
        return bench.schema.number("select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
    }));
    CHECK(bench.jobs() == 1'500);
    CHECK(failed_sources == 1'500);
    CHECK(bench.schema.number("select count(*) from $schema.effects") == 1'500);
    CHECK(bench.log.count("memoir.worker.lease_lost") == 0);
}

TEST_CASE("one row whose end the database refuses keeps no other from its end") {
    Bench bench;
    hasten(bench);
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 5; ++row)
        ids.push_back(claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second", 2));
    bench.schema.sql(
        "create function $schema.refuse() returns trigger language plpgsql as $body$ begin if old.id = " +
        std::to_string(ids[2]) + " then raise exception 'no'; end if; return new; end $body$");
    bench.schema.sql(
        "create trigger refuse before update on $schema.memory_jobs for each row execute function "
        "$schema.refuse()");
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] {
        return bench.schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 4;
    }));
    CHECK(bench.state(ids[2]) == "claimed/held/2/-");
    CHECK(eventually([&] { return bench.log.count("memoir.worker.lease_recovery_failed") > 0; }));
}
