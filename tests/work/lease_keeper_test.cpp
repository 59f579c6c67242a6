#include "work/lease_keeper.hpp"

#include <catch2/catch.hpp>

#include "work/double_stage.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using Claims = std::span<work::Claim>;

// Leases short enough for a test: heartbeats every 100 ms.
void hasten(Bench& bench) {
    bench.options.lease = Milliseconds(300);
    bench.options.foreign_lease = Milliseconds(600);
}

std::int64_t claimed(Bench& bench, const std::string& by, const std::string& ago, int attempts = 0) {
    const auto id = bench.job();
    bench.schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp() - $3::interval, "
        "claimed_by = "
        "$2, attempts = $4 where id = $1",
        pg::Params().add(id).add(by).add(ago).add(attempts));
    return id;
}

}  // namespace

TEST_CASE("the heartbeat interval is a third of the lease, and short beside workers of the library") {
    CHECK(work::LeaseKeeper::interval(Milliseconds(15'000)) == Milliseconds(5'000));
    CHECK(work::LeaseKeeper::interval(Milliseconds(60'000)) == Milliseconds(10'000));
    CHECK(work::LeaseKeeper::interval(Milliseconds(3'600'000)) == Milliseconds(10'000));
}

TEST_CASE("whoever waits to reconnect is back before anybody may declare it dead") {
    for (const auto lease :
         {Milliseconds(2'100), Milliseconds(15'000), Milliseconds(60'000), Milliseconds(3'600'000)}) {
        CAPTURE(lease.count());
        // Recovery needs half a lease of success; a connect and a heartbeat have a sixth of it each, at most.
        CHECK(work::LeaseKeeper::longest_reconnect(lease) + lease / 6 < lease / 2);
        CHECK(work::LeaseKeeper::longest_reconnect(lease) <= Milliseconds(5'000));
    }
}

TEST_CASE("what a loop holds is renewed for as long as it works") {
    Bench bench;
    hasten(bench);
    const auto id = bench.job();
    Gate gate;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        return bench.done(claims);
    });
    REQUIRE(gate.reached());
    const auto first = bench.schema.value("select claimed_at::text from $schema.memory_jobs");
    std::string last = first;
    for (int renewal = 0; renewal < 5; ++renewal)
        REQUIRE(eventually([&] {
            const auto now = bench.schema.value("select claimed_at::text from $schema.memory_jobs");
            return now != std::exchange(last, now);
        }));
    gate.open();
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.effects_of(id) == 1);
}

TEST_CASE("a heartbeat that finds a claim gone cancels its run") {
    Bench bench;
    hasten(bench);
    bench.job();
    Gate never;
    std::atomic<bool> cancelled = false;
    bench.start([&](Claims, auto&, std::stop_token stop) -> work::Result {
        cancelled = !never.pass(stop);
        throw Failure(FailureType::cancelled, "stopped");
    });
    REQUIRE(never.reached());
    bench.schema.sql(
        "update $schema.memory_jobs set claimed_by = 'somebody', claimed_at = clock_timestamp() + "
        "interval '1 hour'");
    CHECK(eventually([&] { return cancelled.load(); }));
    CHECK(eventually([&] { return bench.engine->in_hand() == 0; }));
    CHECK(bench.schema.value("select claimed_by from $schema.memory_jobs") == "somebody");
}

TEST_CASE("a row of this process that no loop holds is handed back without an attempt") {
    Bench bench;
    hasten(bench);
    std::atomic<int> runs = 0;
    bench.start([&](Claims claims, auto&, auto) {
        ++runs;
        return bench.done(claims);
    });
    const auto id = claimed(bench, bench.engine->process() + "lane.0.999999", "0 seconds", 1);
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.effects_of(id) == 1);
    CHECK(bench.log.count("memoir.worker.job_released") == 1);
    CHECK(bench.log.count("memoir.worker.lease_recovered") == 0);
}

TEST_CASE("a dead memoird's job is recovered with an attempt and done alone") {
    Bench bench;
    hasten(bench);
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second");
    bench.start([&](Claims claims, auto&, auto) {
        CHECK(claims.size() == 1);
        CHECK(claims.front().job().suspect);
        CHECK(claims.front().job().attempts == 1);
        return bench.done(claims);
    });
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.log.count("memoir.worker.lease_recovered") == 1);
}

TEST_CASE("a dead memoird's job without an attempt left ends as fail does, final effects included") {
    Bench bench;
    hasten(bench);
    bench.entry.when_failed = [&](pg::Transaction& transaction, std::span<const std::string> pids) {
        transaction.exec("update \"" + bench.schema.name() +
                             "\".memories set qdrant_status = 'failed' where pid = any($1)",
                         pg::Params().array(pids));
    };
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 second", 2);
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(
        eventually([&] { return bench.state(id) == "failed/-/3/holder died: memoird/h:9:dead/embed.0.1"; }));
    CHECK(bench.schema.value("select qdrant_status from $schema.memories") == "failed");
    CHECK(bench.stage->runs == 0);
}

TEST_CASE("a claim of a worker that is no memoird is left alone for foreign_lease, then goes back unharmed") {
    Bench bench;
    hasten(bench);
    bench.options.foreign_lease = Milliseconds(3'600'000);
    const auto slow = claimed(bench, "library-1", "30 minutes"),
               gone = claimed(bench, "library-2", "2 hours", 1);
    std::atomic<int> attempts = -1;
    bench.start([&](Claims claims, auto&, auto) {
        attempts = claims.front().job().attempts;
        return bench.done(claims);
    });
    CHECK(eventually([&] { return bench.state(gone) == "gone"; }));
    CHECK(attempts == 1);
    CHECK(bench.state(slow) == "claimed/held/0/-");
}

TEST_CASE("a process that has just started does not declare anybody dead") {
    Bench bench;
    bench.options.lease = Milliseconds(60'000);
    const auto id = claimed(bench, "memoird/h:9:dead/embed.0.1", "1 hour");
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    // The heartbeat at start has looked once; a second look, and half a lease of health, are far away.
    CHECK(eventually([&] { return bench.engine->last_heartbeat() > TimePoint{}; }));
    CHECK_FALSE(
        eventually([&] { return bench.state(id) != "claimed/held/0/-"; }, std::chrono::milliseconds(300)));
}

TEST_CASE("a parked job comes back when it is due, without a look in between") {
    Bench bench;
    bench.options.poll_interval = Milliseconds(60'000);  // no probe helps
    const auto id = bench.job();
    std::atomic<bool> first = true;
    bench.start([&](Claims claims, auto&, auto) {
        if (!first.exchange(false)) return bench.done(claims);
        Failure failure(FailureType::outage, "away");
        failure.retry_after = Milliseconds(100);
        return work::Result{std::vector<std::optional<Failure>>(claims.size(), failure), nullptr};
    });
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
}

TEST_CASE("after a drain no row carries a claim of this process") {
    Bench bench;
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    claimed(bench, bench.engine->process() + "lane.1.77", "0 seconds");
    CHECK(bench.stop() == work::Engine::Drained::finished);
    CHECK(bench.schema.number("select count(*) from $schema.memory_jobs where state = 'claimed'") == 0);
}
