// One odd row or memory neither stops the others nor runs away: locks that stay, triggers that raise.

#include <algorithm>
#include <catch2/catch.hpp>

#include "support/fake_clock.hpp"
#include "work/double_stage.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using Claims = std::span<work::Claim>;

// An agent's transaction that has a memory locked for as long as this lives.
class OpenTransaction {
  public:
    OpenTransaction(const TestSchema& schema, const std::string& pid) : connection_(schema.connect()) {
        connection_->exec("begin");
        connection_->exec("update \"" + schema.name() + "\".memories set content = 'b' where pid = $1",
                          pg::Params().add(pid));
    }
    ~OpenTransaction() { connection_->exec("rollback"); }

  private:
    std::unique_ptr<pg::Connection> connection_;
};

void raise_on_update(TestSchema& schema, const std::string& table, const std::string& condition) {
    schema.sql(
        "create function $schema.odd() returns trigger language plpgsql as $f$ begin raise exception 'odd "
        "row'; end $f$");
    schema.sql("create trigger odd before update on $schema." + table + " for each row when (" + condition +
               ") execute function $schema.odd()");
}

}  // namespace

TEST_CASE(
    "a memory that stays locked parks its job without an attempt, and nothing is written for it again") {
    Bench bench;
    bench.options.lanes.front().loops = 1;
    const auto pid = bench.schema.memory("a");
    const auto locked = bench.schema.job(pid, "embed"), other = bench.job();
    std::atomic<int> written = 0;
    {
        const OpenTransaction agent(bench.schema, pid);
        bench.start([&](Claims claims, auto&, auto) {
            auto effects = bench.effects(claims);
            std::vector<std::int64_t> jobs;
            for (const auto& claim : claims) jobs.push_back(claim.job().id);
            effects->preparing = [&, jobs](work::Members members, const std::stop_token&) {
                for (const auto member : members)
                    if (jobs[member] == locked) ++written;
            };
            return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
        });
        CHECK(eventually([&] { return bench.state(other) == "gone"; }));
        CHECK(eventually([&] {
            return bench.state(locked) ==
                   "claimed/parked/0/the memory has been locked by another transaction for 2 s";
        }));
        CHECK(written == 1);
        const auto later = bench.job();
        CHECK(eventually([&] { return bench.state(later) == "gone"; }));
    }
    CHECK(eventually([&] { return bench.state(locked) == "gone"; }));
    CHECK(bench.effects_of(locked) == 1);
}

TEST_CASE("a job that is to fail while its memory is locked is parked, and fails later") {
    Bench bench;
    const auto pid = bench.schema.memory("a");
    const auto id = bench.schema.job(pid, "embed");
    {
        const OpenTransaction agent(bench.schema, pid);
        bench.start([&](Claims claims, auto&, auto) {
            return work::Result{std::vector<std::optional<Failure>>(
                                    claims.size(), Failure(FailureType::permanent, "refused")),
                                nullptr};
        });
        CHECK(
            eventually([&] { return bench.state(id).starts_with("claimed/parked/0/the memory has been"); }));
    }
    CHECK(eventually([&] { return bench.state(id) == "failed/-/1/refused"; }));
}

TEST_CASE("a memory whose update the database refuses costs its job attempts, and it fails without it") {
    Bench bench;
    const auto pid = bench.schema.memory("a");
    const auto odd = bench.schema.job(pid, "embed"), other = bench.job();
    raise_on_update(bench.schema, "memories", "old.pid = '" + pid + "'");
    const auto mark = [&](pg::Transaction& transaction, std::span<const std::string> pids) {
        transaction.exec("update \"" + bench.schema.name() +
                             "\".memories set qdrant_status = 'failed' where pid = any($1)",
                         pg::Params().array(pids));
    };
    bench.entry.when_failed = mark;
    std::atomic<int> runs = 0;
    bench.start([&](Claims claims, auto&, auto) {
        auto effects = bench.effects(claims);
        std::vector<std::int64_t> jobs;
        for (const auto& claim : claims) jobs.push_back(claim.job().id);
        runs += static_cast<int>(std::ranges::count(jobs, odd));
        effects->applying = [jobs, odd](work::Members members) {
            for (const auto member : members)
                if (jobs[member] == odd)
                    throw pg::Error(pg::ErrorClass::other, "P0001", "P0001 (raise_exception)");
        };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    CHECK(eventually([&] { return bench.state(other) == "gone"; }));
    CHECK(eventually([&] { return bench.state(odd).starts_with("failed/-/3/postgres: "); }));
    CHECK(runs == 3);
    CHECK(bench.log.count("memoir.worker.aborted") == 0);
    CHECK(bench.log.count("memoir.worker.fail_failed") == 1);
    CHECK(bench.schema.value("select qdrant_status from $schema.memories where pid = $1",
                             pg::Params().add(pid)) == "pending");
}

TEST_CASE("a row that the database does not let us claim is named and left, and the others are done") {
    Bench bench;
    bench.options.lanes.front().loops = GENERATE(1, 2);
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 40; ++row) ids.push_back(bench.job());
    raise_on_update(bench.schema, "memory_jobs", "old.id = " + std::to_string(ids[17]));
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] { return bench.jobs() == 1; }));
    CHECK(bench.state(ids[17]) == "pending/-/0/-");
    REQUIRE(eventually([&] { return bench.log.count("memoir.worker.claim_failed") >= 1; }));
    const auto refused = bench.log.named("memoir.worker.claim_failed");
    CHECK(std::ranges::any_of(
        refused, [&](const auto& event) { return event.field("job_id") == std::to_string(ids[17]); }));
    const auto later = bench.job();
    CHECK(eventually([&] { return bench.state(later) == "gone"; }));
}
