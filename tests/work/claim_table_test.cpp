#include "work/claim_table.hpp"

#include <catch2/catch.hpp>

#include "work/claim.hpp"

using namespace memoir;
using namespace memoir::work;

namespace {

const TimePoint start{std::chrono::hours(1)};

std::shared_ptr<Run> new_run(TimePoint started = start) {
    return std::make_shared<Run>("embed.0", started, Milliseconds(60'000));
}

queue::Job job(std::int64_t id, const std::string& claimed_by = "memoird/h:1:n/embed.0.1") {
    queue::Job job;
    job.id = id;
    job.kind = "embed";
    job.claimed_by = claimed_by;
    return job;
}

}  // namespace

TEST_CASE("a heartbeat that shows a row confirms it") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    std::vector<std::int64_t> lost;
    CHECK(table.reconcile(table.to_renew(start), std::vector{claim.fence()}, start + Milliseconds(5), lost)
              .empty());
    CHECK(lost.empty());
    CHECK_FALSE(claim.lost());
}

TEST_CASE("a row that the read does not show is lost, and its run is cancelled") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    std::vector<std::int64_t> lost;
    table.reconcile(table.to_renew(start), {}, start + Milliseconds(5), lost);
    CHECK(lost == std::vector<std::int64_t>{1});
    CHECK(claim.lost());
    CHECK(run->cause() == Cause::lost);
}

TEST_CASE("a row of another claim of ours with the same id does not confirm this one") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    std::vector<std::int64_t> lost;
    const std::vector<queue::Fence> read{{1, "memoird/h:1:n/embed.1.9"}};
    const auto orphans = table.reconcile(table.to_renew(start), read, start + Milliseconds(5), lost);
    CHECK(lost.size() == 1);
    CHECK(orphans.size() == 1);
}

TEST_CASE("one lost row of a batch does not cancel the others") {
    ClaimTable table;
    auto run = new_run();
    Claim one(job(1), run, table, start), two(job(2), run, table, start);
    std::vector<std::int64_t> lost;
    table.reconcile(table.to_renew(start), std::vector{two.fence()}, start + Milliseconds(5), lost);
    CHECK(one.lost());
    CHECK_FALSE(two.lost());
    CHECK(run->cause() == Cause::none);
}

TEST_CASE("a row that is being settled is not lost because the read does not show it") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    const auto asked = table.to_renew(start);
    table.settling(std::vector<std::int64_t>{1}, true);
    std::vector<std::int64_t> lost;
    table.reconcile(asked, {}, start + Milliseconds(5), lost);
    CHECK(lost.empty());
}

TEST_CASE("a row claimed after the read was sent is not judged by it") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start + Milliseconds(10));
    std::vector<std::int64_t> lost;
    table.reconcile(std::vector<std::int64_t>{1}, {}, start + Milliseconds(5), lost);
    CHECK(lost.empty());
}

TEST_CASE("a row of ours that nobody here holds is handed back, unless its claim is on its way") {
    ClaimTable table;
    std::vector<std::int64_t> lost;
    const std::vector<queue::Fence> read{{7, "memoird/h:1:n/embed.0.5"}};
    {
        ClaimTable::InFlight flight(table, "memoird/h:1:n/embed.0.5");
        CHECK(table.reconcile({}, read, start, lost).empty());
    }
    CHECK(table.reconcile({}, read, start, lost).size() == 1);
}

TEST_CASE("a claim destroyed unsettled lets go of its row") {
    ClaimTable table;
    { Claim claim(job(1), new_run(), table, start); }
    CHECK(table.size() == 0);
}

TEST_CASE("without an answered heartbeat for the limit the runs are cancelled") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    CHECK(table.cancel_unrenewed(start + Milliseconds(49'999), Milliseconds(50'000)) == 0);
    CHECK(table.cancel_unrenewed(start + Milliseconds(50'000), Milliseconds(50'000)) == 1);
    CHECK(run->cause() == Cause::lost);
    CHECK(claim.lost());
}

TEST_CASE("a run past its deadline is cancelled, and its rows are renewed no longer") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    CHECK(table.expire(start + Milliseconds(59'999), Milliseconds(30'000)) == 0);
    CHECK(run->cause() == Cause::none);
    CHECK(table.expire(start + Milliseconds(60'001), Milliseconds(30'000)) == 0);
    CHECK(run->cause() == Cause::deadline);
    CHECK(table.to_renew(start + Milliseconds(60'001)).empty());
    CHECK(table.expire(start + Milliseconds(90'002), Milliseconds(30'000)) == 1);
}

TEST_CASE("a checkpoint starts the deadline anew") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    run->restart(start + Milliseconds(50'000));
    table.expire(start + Milliseconds(100'000), Milliseconds(30'000));
    CHECK(run->cause() == Cause::none);
}

TEST_CASE("the first cause of a cancel stands") {
    Run run("embed.0", start, Milliseconds(1));
    run.cancel(Cause::deadline);
    run.cancel(Cause::drain);
    CHECK(run.cause() == Cause::deadline);
}

TEST_CASE("a stale claim that ends does not let go of the row that came back to another loop here") {
    ClaimTable table;
    auto first = new_run(), second = new_run();
    auto stale = std::make_unique<Claim>(job(1, "memoird/h:1:n/embed.0.1"), first, table, start);
    Claim fresh(job(1, "memoird/h:1:n/embed.1.2"), second, table, start);
    stale.reset();
    CHECK(table.size() == 1);
    CHECK_FALSE(fresh.lost());
}

TEST_CASE("a deadline stands still while its run waits for a limiter, and moves by what it waited") {
    Run run("llm.0", start, Milliseconds(1'000));
    CHECK(run.deadline(start) == start + Milliseconds(1'000));
    run.waiting(true, start + Milliseconds(100));
    CHECK(run.deadline(start + Milliseconds(5'100)) == start + Milliseconds(6'000));
    run.waiting(false, start + Milliseconds(7'100));
    CHECK(run.deadline(start + Milliseconds(9'000)) == start + Milliseconds(8'000));
    CHECK(run.step_began(start + Milliseconds(9'000)) == start + Milliseconds(7'000));
}

TEST_CASE("what an outage made us take for lost is renewed while its loop still has to hand it back") {
    ClaimTable table;
    auto run = new_run();
    Claim claim(job(1), run, table, start);
    CHECK(table.cancel_unrenewed(start + Milliseconds(50'000), Milliseconds(50'000)) == 1);
    CHECK(run->cause() == Cause::lost);
    REQUIRE(table.to_renew(start) == std::vector<std::int64_t>{1});
    std::vector<std::int64_t> lost;
    const std::vector<queue::Fence> read{{1, "memoird/h:1:n/embed.0.1"}};
    const std::vector<std::int64_t> asked{1};
    CHECK(table.reconcile(asked, read, start + Milliseconds(51'000), lost).empty());
    CHECK(lost.empty());
    CHECK_FALSE(table.lost(1));
    // Not ours any more after all: said once, however often it is asked for.
    CHECK(table.reconcile(asked, {}, start + Milliseconds(52'000), lost).empty());
    CHECK(lost == asked);
    CHECK(table.reconcile(table.to_renew(start), {}, start + Milliseconds(53'000), lost).empty());
    CHECK(lost == asked);
}
