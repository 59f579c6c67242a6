#include "work/engine.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "endpoint/endpoint.hpp"
#include "support/fake_clock.hpp"
#include "work/double_stage.hpp"

using namespace memoir;
using namespace memoir::test;
using work::Claim;
using work::Engine;

namespace {

using Claims = std::span<Claim>;

work::Result all_fail(Claims claims, FailureType type, const std::string& reason) {
    return {std::vector<std::optional<Failure>>(claims.size(), Failure(type, reason)), nullptr};
}

}  // namespace

TEST_CASE("a done job's effects and its row's removal are one") {
    Bench bench;
    const auto id = bench.job();
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] { return bench.jobs() == 0; }));
    CHECK(bench.effects_of(id) == 1);
    REQUIRE(eventually([&] { return bench.log.count("memoir.worker.job_succeeded") == 1; }));
    const auto event = bench.log.named("memoir.worker.job_succeeded").front();
    CHECK(event.field("job_id") == std::to_string(id));
    CHECK(event.field("kind") == "embed");
    CHECK_FALSE(event.field("source_pid").empty());
    CHECK(event.field("worker").starts_with("lane."));
}

TEST_CASE("a no-op is removed without effects") {
    Bench bench("synthesize");
    for (int row = 0; row < 100; ++row) bench.job();
    bench.start_entry();
    CHECK(eventually([&] { return bench.jobs() == 0; }));
    CHECK(eventually([&] { return bench.log.count("memoir.worker.job_succeeded") == 100; }));
}

TEST_CASE("more loops than connections, whose rows somebody locks now and then, hold up nobody") {
    Bench bench("synthesize");
    bench.options.lanes = {{"lane", {"synthesize"}, 12, 1}};
    const auto pid = bench.schema.memory("a");
    bench.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select $1, 'synthesize' from "
        "generate_series(1, 2000)",
        pg::Params().add(pid));
    std::jthread locker([&](const std::stop_token& stop) {
        const auto connection = bench.schema.connect();
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(Milliseconds(20));
            pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
            transaction.exec("select id from \"" + bench.schema.name() +
                             "\".memory_jobs where state = 'claimed' for update skip locked");
            std::this_thread::sleep_for(Milliseconds(2));
        }
    });
    bench.start_entry();
    CHECK(eventually([&] { return bench.jobs() == 0; }, std::chrono::seconds(120)));
}

TEST_CASE("a failure of the job's own is retried with delay and ends in failed") {
    Bench bench;
    bool applied = false;
    bench.entry.when_failed = [&](pg::Transaction&, std::span<const std::string>) { applied = true; };
    const auto id = bench.job();
    bench.start([&](Claims claims, auto&, auto) { return all_fail(claims, FailureType::job, "no facts"); });
    CHECK(eventually([&] { return bench.state(id) == "failed/-/3/no facts"; }));
    CHECK(bench.stage->runs == 3);
    CHECK(applied);
    CHECK(eventually([&] { return bench.log.count("memoir.worker.job_failed") == 3; }));
    const auto events = bench.log.named("memoir.worker.job_failed");
    CHECK(events[0].field("outcome") == "retry");
    CHECK(events[2].field("outcome") == "failed");
    CHECK(events[2].level == telemetry::Level::error);
}

TEST_CASE("a waiting retry is parked where workers of the library leave it alone") {
    Bench bench;
    bench.options.retry_base = bench.options.retry_cap = Milliseconds(600'000);
    const auto id = bench.job();
    bench.start([&](Claims claims, auto&, auto) { return all_fail(claims, FailureType::job, "no facts"); });
    CHECK(eventually([&] { return bench.state(id) == "claimed/parked/1/no facts"; }));
}

TEST_CASE("a permanent failure fails at once") {
    Bench bench;
    const auto id = bench.job();
    bench.start(
        [&](Claims claims, auto&, auto) { return all_fail(claims, FailureType::permanent, "refused"); });
    CHECK(eventually([&] { return bench.state(id) == "failed/-/1/refused"; }));
}

TEST_CASE("an outage, a throttle and a block count no attempt, however often they come") {
    for (const auto type : {FailureType::outage, FailureType::throttled, FailureType::blocked}) {
        CAPTURE(to_string(type));
        Bench bench;
        const auto id = bench.job();
        std::atomic<int> left = 5;
        bench.start([&](Claims claims, auto&, auto) {
            if (left-- <= 0) return bench.done(claims);
            Failure failure(type, "away");
            failure.retry_after = Milliseconds(10);
            return work::Result{std::vector<std::optional<Failure>>(claims.size(), failure), nullptr};
        });
        CHECK(eventually([&] { return bench.jobs() == 0; }));
        CHECK(bench.effects_of(id) == 1);
        CHECK(bench.log.count("memoir.worker.job_parked") == 5);
        CHECK(bench.log.count("memoir.worker.job_failed") == 0);
    }
}

TEST_CASE(
    "what was parked for its backend's sake comes back as soon as a host has that backend; a retry does "
    "not") {
    Bench bench;
    endpoint::Endpoint qdrant({"qdrant", 0, "vector.url"}, {}, bench.log);
    bench.entry.needs = {&qdrant};
    const auto waiting = bench.job(), retry = bench.job();
    bench.schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_by = 'parked', claimed_at = "
        "clock_timestamp() + interval '14 minutes', failure_reason = case id when $1 then "
        "'waits for qdrant: wrong key' else 'the reply was cut' end",
        pg::Params().add(waiting));
    bench.start([&](Claims claims, auto&, std::stop_token) { return bench.done(claims); });
    CHECK(eventually([&] { return bench.state(waiting) == "gone"; }));
    CHECK(bench.state(retry) == "claimed/parked/0/the reply was cut");
    bench.stop();  // before the endpoint goes
}

TEST_CASE("of a batch the failed ones fail and the others are done") {
    Bench bench;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 8; ++row) ids.push_back(bench.job());
    bench.start([&](Claims claims, auto&, auto) {
        auto result = bench.done(claims);
        for (std::size_t member = 0; member < claims.size(); ++member)
            if (claims[member].job().id == ids[3])
                result.failures[member] = Failure(FailureType::permanent, "refused");
        return result;
    });
    CHECK(eventually([&] { return bench.jobs() == 1 && bench.state(ids[3]) == "failed/-/1/refused"; }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[3] ? 0 : 1));
}

TEST_CASE("a batch whose effects fail for one member is halved until the culprit is alone") {
    Bench bench;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 8; ++row) ids.push_back(bench.job());
    const bool in_transaction = GENERATE(true, false);
    bench.start([&](Claims claims, auto&, auto) {
        auto effects = bench.effects(claims);
        std::vector<std::int64_t> jobs;
        for (const auto& claim : claims) jobs.push_back(claim.job().id);
        const auto refuse = [&, jobs](work::Members members) {
            for (const auto member : members)
                if (jobs[member] == ids[5]) throw Failure(FailureType::permanent, "HTTP 413");
        };
        if (in_transaction)
            effects->applying = refuse;
        else
            effects->preparing = [refuse](work::Members members, auto) { refuse(members); };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    CHECK(eventually([&] { return bench.jobs() == 1 && bench.state(ids[5]) == "failed/-/1/HTTP 413"; }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[5] ? 0 : 1));
}

TEST_CASE("a job that comes back from an outage time and again waits longer each time, and is not charged") {
    Bench bench;
    bench.options.lanes = {{"lane", {"embed"}, 1, 1}};
    const auto poison = bench.job(), good = bench.job();
    bench.start([&](Claims claims, auto&, auto) {
        if (claims.front().job().id == good) return bench.done(claims);
        auto result = all_fail(claims, FailureType::outage, "HTTP 502");
        result.failures.front()->retry_after = Milliseconds(1'000);
        return result;
    });
    CHECK(eventually([&] {
        return bench.state(poison) == "claimed/parked/0/HTTP 502, 3 times in a row" && bench.jobs() == 1;
    }));
    const auto due = bench.schema.number(
        "select (extract(epoch from claimed_at + interval '60 seconds' - clock_timestamp()) * 1000)::bigint "
        "from $schema.memory_jobs");
    CHECK(due <= 2'200);  // twice the time, less what this look took
}

TEST_CASE("what several met at once is charged to a job that brings it again, not the first time") {
    Bench bench;
    bench.options.lanes = {{"lane", {"embed"}, 1, 1}};
    bench.options.max_attempts = 2;
    const auto id = bench.job();
    bench.start([&](Claims claims, auto&, auto) {
        auto result = all_fail(claims, FailureType::outage, "connection reset");
        result.failures.front()->spared = true;
        result.failures.front()->retry_after = Milliseconds(50);
        return result;
    });
    CHECK(eventually([&] { return bench.state(id) == "failed/-/2/connection reset"; }));
    CHECK(bench.stage->runs == 3);
}

TEST_CASE("of a batch that a working backend refuses in part only the culprit waits") {
    Bench bench;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 8; ++row) ids.push_back(bench.job());
    bench.start([&](Claims claims, auto&, auto) {
        auto effects = bench.effects(claims);
        std::vector<std::int64_t> jobs;
        for (const auto& claim : claims) jobs.push_back(claim.job().id);
        effects->preparing = [&, jobs](work::Members members, auto) {
            for (const auto member : members)
                if (jobs[member] == ids[5]) {
                    Failure refused(FailureType::blocked, "HTTP 403");
                    refused.alone = true;
                    throw refused;
                }
        };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    CHECK(eventually(
        [&] { return bench.jobs() == 1 && bench.state(ids[5]).starts_with("claimed/parked/0/"); }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[5] ? 0 : 1));
}

TEST_CASE("effects whose data the database refuses are told so, the culprit's alone") {
    Bench bench;
    bench.options.max_attempts = 1;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 4; ++row) ids.push_back(bench.job());
    bench.schema.sql("alter table $schema.effects add check (job <> " + std::to_string(ids[2]) + ")");
    std::mutex mutex;
    std::vector<std::int64_t> refused;
    bench.start([&](Claims claims, auto&, auto) {
        auto effects = bench.effects(claims);
        std::vector<std::int64_t> jobs;
        for (const auto& claim : claims) jobs.push_back(claim.job().id);
        effects->refusing = [&, jobs](work::Members members) {
            std::lock_guard lock(mutex);
            for (const auto member : members) refused.push_back(jobs[member]);
        };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    CHECK(eventually([&] { return bench.jobs() == 1 && bench.state(ids[2]).starts_with("failed/-/1/"); }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[2] ? 0 : 1));
    std::lock_guard lock(mutex);
    CHECK(refused == std::vector{ids[2]});
}

TEST_CASE("settles that the database holds up for long are told of once, and stand in the end") {
    Bench bench;
    bench.options.lanes = {{"lane", {"embed"}, 2, 1}};
    for (int row = 0; row < 2; ++row) bench.job();
    std::atomic<bool> locked = true;
    bench.start([&](Claims claims, auto&, auto) {
        auto effects = bench.effects(claims);
        effects->applying = [&](work::Members) {
            if (locked) throw pg::Error(pg::ErrorClass::transaction, "55P03", "somebody has it locked");
        };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    const auto warnings = [&] {
        int count = 0;
        for (const auto& event : bench.log.named("memoir.worker.complete_failed"))
            count += event.level == telemetry::Level::warning ? 1 : 0;
        return count;
    };
    CHECK(eventually([&] { return warnings() > 0; }));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    CHECK(warnings() == 1);
    locked = false;
    CHECK(eventually([&] { return bench.jobs() == 0; }));
}

TEST_CASE("a holder whose claim was taken changes nothing, for every way to settle") {
    const std::string way = GENERATE("complete", "no-op", "retry", "fail", "park", "release", "checkpoint");
    CAPTURE(way);
    Bench bench(way == "no-op" ? "synthesize" : "embed");
    const auto id = bench.job();
    Gate gate;
    bench.start([&](Claims claims, work::Checkpoints& checkpoints, std::stop_token stop) {
        gate.pass(stop);
        if (way == "retry") return all_fail(claims, FailureType::job, "x");
        if (way == "fail") return all_fail(claims, FailureType::permanent, "x");
        if (way == "park") return all_fail(claims, FailureType::outage, "x");
        if (way == "release") return all_fail(claims, FailureType::cancelled, "x");
        if (way == "checkpoint") {
            auto effects = bench.effects(claims);
            checkpoints.checkpoint(claims.front(), R"({"step": 1})", *effects);
        }
        if (way == "no-op") return work::Result{std::vector<std::optional<Failure>>(claims.size()), nullptr};
        return bench.done(claims);
    });
    REQUIRE(gate.reached());
    // As another worker's recovery and claim would leave it.
    bench.schema.sql(
        "update $schema.memory_jobs set claimed_by = 'somebody', claimed_at = clock_timestamp()");
    gate.open();
    CHECK(eventually([&] { return bench.engine->in_hand() == 0; }));
    CHECK(bench.state(id) == "claimed/held/0/-");
    CHECK(bench.schema.value("select payload::text from $schema.memory_jobs") == "{}");
    CHECK(bench.schema.number("select count(*) from $schema.effects") == 0);
    CHECK(eventually([&] { return bench.log.count("memoir.worker.lease_lost") >= 1; }));
}

TEST_CASE("of a batch in which one claim was lost the others are settled with their effects") {
    Bench bench;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 8; ++row) ids.push_back(bench.job());
    bench.options.lanes.front().loops = 1;
    Gate gate;
    std::vector<std::size_t> abandoned;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        auto effects = bench.effects(claims);
        effects->abandoning = [&](work::Members members) {
            abandoned.assign(members.begin(), members.end());
        };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    REQUIRE(gate.reached());
    bench.schema.sql("update $schema.memory_jobs set claimed_by = 'somebody' where id = $1",
                     pg::Params().add(ids[2]));
    gate.open();
    CHECK(eventually([&] { return bench.jobs() == 1; }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[2] ? 0 : 1));
    CHECK(abandoned == std::vector<std::size_t>{2});
}

TEST_CASE("a memory that is forgotten while its job runs is a success without effects") {
    Bench bench;
    const auto pid = bench.schema.memory("a");
    bench.schema.job(pid, "embed");
    Gate gate;
    std::atomic<int> abandoned = 0;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        auto effects = bench.effects(claims);
        effects->abandoning = [&](work::Members members) { abandoned += static_cast<int>(members.size()); };
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    REQUIRE(gate.reached());
    bench.schema.sql("delete from $schema.memories where pid = $1", pg::Params().add(pid));
    gate.open();
    CHECK(eventually([&] { return bench.engine->in_hand() == 0; }));
    CHECK(bench.log.count("memoir.worker.job_succeeded") == 1);
    CHECK(bench.schema.number("select count(*) from $schema.effects") == 0);
    CHECK(abandoned == 1);
}

TEST_CASE(
    "a memory that an agent has locked waits, the others of the batch do not, and the agent never waits") {
    Bench bench;
    bench.options.lanes.front().loops = 1;
    const auto locked_pid = bench.schema.memory("a");
    const auto locked = bench.schema.job(locked_pid, "embed"), other = bench.job();
    auto agent = bench.schema.connect();
    agent->exec("begin");
    agent->exec("update \"" + bench.schema.name() + "\".memories set content = 'b' where pid = $1",
                pg::Params().add(locked_pid));
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    CHECK(eventually([&] { return bench.state(other) == "gone"; }));
    CHECK(bench.state(locked) == "claimed/held/0/-");
    agent->exec("commit");
    CHECK(eventually([&] { return bench.state(locked) == "gone"; }));
    CHECK(bench.effects_of(locked) == 1);
}

TEST_CASE("a memory that changed after it was read sends its job round again, five times at most") {
    Bench bench;
    bench.options.max_attempts = 1;
    const auto id = bench.job();
    const bool settles_down = GENERATE(true, false);
    std::atomic<int> rounds = 0;
    bench.start([&](Claims claims, auto&, auto) {
        const bool stale = !settles_down || ++rounds < 3;
        const auto version = bench.schema.connect()
                                 ->exec("select xmin::text from \"" + bench.schema.name() + "\".memories")
                                 .string(0, 0);
        auto effects = std::make_unique<CountingEffects>("\"" + bench.schema.name() + "\".effects",
                                                         std::vector{claims.front().job().id},
                                                         std::vector{stale ? std::string("0") : version});
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), std::move(effects)};
    });
    if (settles_down) {
        CHECK(eventually([&] { return bench.state(id) == "gone"; }));
        CHECK(bench.stage->runs == 3);
        CHECK(bench.effects_of(id) == 1);
    } else {
        CHECK(eventually([&] { return bench.state(id).starts_with("failed/-/1/"); }));
        CHECK(bench.stage->runs == 5);
        CHECK(bench.effects_of(id) == 0);
    }
}

TEST_CASE("a checkpoint stores progress with its effects, and the job goes on") {
    Bench bench;
    const auto id = bench.job();
    bench.start([&](Claims claims, work::Checkpoints& checkpoints, auto) {
        auto effects = bench.effects(claims);
        checkpoints.checkpoint(claims.front(), R"({"memoird": 1})", *effects);
        CHECK(claims.front().job().payload == R"({"memoird": 1})");
        return all_fail(claims, FailureType::permanent, "x");
    });
    CHECK(eventually([&] { return bench.state(id) == "failed/-/1/x"; }));
    CHECK(bench.effects_of(id) == 1);
    CHECK(bench.schema.value("select payload->>'memoird' from $schema.memory_jobs") == "1");
}

TEST_CASE("a job past its deadline is cancelled and counts an attempt") {
    Bench bench;
    bench.options.job_timeout = Milliseconds(100);
    bench.options.max_attempts = 1;
    const auto id = bench.job();
    Gate never;
    bench.start([&](Claims, auto&, std::stop_token stop) -> work::Result {
        never.pass(stop);
        throw Failure(FailureType::cancelled, "stopped");
    });
    CHECK(eventually([&] { return bench.state(id).starts_with("failed/-/1/exceeded its deadline"); }));
}

TEST_CASE("drain finishes what runs and claims nothing more") {
    Bench bench;
    bench.options.lanes.front() = {"lane", {"embed"}, 1, 1};
    const auto id = bench.job();
    const auto next = bench.job();
    Gate gate;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        return bench.done(claims);
    });
    REQUIRE(gate.reached());
    std::jthread opener([&] { gate.open(); });
    CHECK(bench.stop() == Engine::Drained::finished);
    CHECK(bench.effects_of(id) == 1);
    CHECK(bench.state(next) == "pending/-/0/-");
}

TEST_CASE("drain's time-out hands back what still runs, without an attempt") {
    Bench bench;
    bench.options.drain_timeout = Milliseconds(50);
    const auto id = bench.job();
    Gate never;
    bench.start([&](Claims, auto&, std::stop_token stop) -> work::Result {
        never.pass(stop);
        throw Failure(FailureType::cancelled, "stopped");
    });
    REQUIRE(never.reached());
    CHECK(bench.stop() == Engine::Drained::released);
    CHECK(bench.state(id) == "pending/-/0/-");
    CHECK(bench.log.count("memoir.worker.job_released") == 1);
}

TEST_CASE("a drain in a hurry does not wait for the time-out") {
    Bench bench;
    bench.options.drain_timeout = Milliseconds(3'600'000);
    const auto id = bench.job();
    Gate never;
    bench.start([&](Claims, auto&, std::stop_token stop) -> work::Result {
        never.pass(stop);
        throw Failure(FailureType::cancelled, "stopped");
    });
    REQUIRE(never.reached());
    CHECK(bench.stop(true) == Engine::Drained::released);
    CHECK(bench.state(id) == "pending/-/0/-");
}

TEST_CASE("what is not begun for want of a permit is not claimed either") {
    Bench bench;
    bench.options.lanes.front() = {"lane", {"embed"}, 3, 1};
    bench.options.poll_interval = std::chrono::seconds(1);
    endpoint::Endpoint model({"extraction", 1, "extraction.url"}, {}, bench.log);
    bench.entry.needs = {&model};
    const std::vector<std::int64_t> ids{bench.job(), bench.job(), bench.job()};
    Gate gate;
    std::atomic<int> at_once{0}, most{0};
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        model.call(endpoint::Nature::write, stop, [&] {
            most = std::max(most.load(), ++at_once);
            gate.pass(stop);
            --at_once;
        });
        return bench.done(claims);
    });
    REQUIRE(gate.reached());
    // The other loops have been told no by now, or will be: the row does not change hands for it.
    for (int look = 0; look < 20; ++look)
        CHECK(bench.schema.number("select count(*) from $schema.memory_jobs where state = 'claimed'") == 1);
    gate.open();
    CHECK(eventually([&] { return bench.jobs() == 0; }));
    CHECK(most == 1);
    for (const auto id : ids) CHECK(bench.effects_of(id) == 1);
    bench.stop();
    CHECK(model.snapshot().in_flight == 0);
}

TEST_CASE("waiting for a provider's limits does not count against a job's deadline") {
    Bench bench;
    bench.options.lanes.front() = {"lane", {"embed"}, 1, 1};
    bench.options.job_timeout = Milliseconds(400);
    endpoint::Endpoint model({"extraction", 0, "extraction.url"}, {}, bench.log);
    const auto id = bench.job();
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        model.hold_until(Steady::now() + Milliseconds(1'500));
        model.call(endpoint::Nature::write, stop, [] {});
        return bench.done(claims);
    });
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.effects_of(id) == 1);
    CHECK(bench.stage->runs == 1);
    bench.stop();  // before the endpoint goes
}

namespace {

// A model whose calls took `typical`, by a clock that stands still since.
struct KnownModel {
    explicit KnownModel(Milliseconds typical, telemetry::Log& log)
        : endpoint({"extraction", 0, "extraction.url"}, {}, log, clock) {
        endpoint.call(endpoint::Nature::write, {}, [&] { clock.advance(typical); });
    }
    FakeClock clock;
    endpoint::Endpoint endpoint;
};

}  // namespace

TEST_CASE("a drain does not wait for a model's call that its history says will outlast it") {
    Bench bench;
    bench.options.drain_timeout = Milliseconds(3'600'000);
    KnownModel model(Milliseconds(7'200'000), bench.log);
    bench.entry.model = &model.endpoint;
    const auto id = bench.job();
    Gate never;
    bench.start([&](Claims, auto&, std::stop_token stop) -> work::Result {
        never.pass(stop);
        throw Failure(FailureType::cancelled, "stopped");
    });
    REQUIRE(never.reached());
    CHECK(bench.stop() == Engine::Drained::finished);
    CHECK(bench.state(id) == "pending/-/0/-");
    CHECK(bench.log.count("memoir.worker.job_released") == 1);
}

TEST_CASE("a drain waits for a model's call that its history says will end in time, and begins no other") {
    Bench bench;
    bench.options.drain_timeout = Milliseconds(3'600'000);
    bench.options.lanes.front() = {"lane", {"embed"}, 2, 1};
    KnownModel model(Milliseconds(1'000), bench.log);
    bench.entry.model = &model.endpoint;
    const auto paid = bench.job("paid"), unpaid = bench.job("unpaid");
    Gate under_way, before_call;
    bench.start([&](Claims claims, auto&, std::stop_token stop) {
        if (claims.front().job().id == unpaid) before_call.pass(stop);
        model.endpoint.call(endpoint::Nature::write, stop, [&] { under_way.pass(stop); });
        return bench.done(claims);
    });
    REQUIRE(under_way.reached());
    REQUIRE(before_call.reached());
    std::jthread opener([&] {
        // Once the drain has begun, the models are closed.
        CHECK(eventually([&] { return !model.endpoint.reserve(); }));
        before_call.open();
        under_way.open();
    });
    CHECK(bench.stop() == Engine::Drained::finished);
    CHECK(bench.effects_of(paid) == 1);
    CHECK(bench.state(unpaid) == "pending/-/0/-");
}

TEST_CASE("an exception that is no failure costs the job that provokes it attempts, and its batch nothing") {
    Bench bench;
    std::vector<std::int64_t> ids;
    for (int row = 0; row < 8; ++row) ids.push_back(bench.job());
    bench.start([&](Claims claims, auto&, auto) {
        for (const auto& claim : claims)
            if (claim.job().id == ids[5]) throw std::logic_error("a defect");
        return bench.done(claims);
    });
    CHECK(eventually(
        [&] { return bench.jobs() == 1 && bench.state(ids[5]).starts_with("failed/-/3/unexpected"); }));
    for (const auto id : ids) CHECK(bench.effects_of(id) == (id == ids[5] ? 0 : 1));
    CHECK(bench.schema.number(
              "select count(*) from $schema.memory_jobs where failure_reason like '%defect%'") == 0);
}

TEST_CASE("a notification starts a job without waiting for the poll") {
    Bench bench;
    bench.options.poll_interval = Milliseconds(60'000);
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    // The looks at start are over when a first job was found and done.
    const auto first = bench.job();
    bench.engine->wake("embed");
    CHECK(eventually([&] { return bench.state(first) == "gone"; }));
    const auto id = bench.job();
    bench.engine->wake("embed");
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
}

TEST_CASE("a poll finds rows before the cursor: late commits, retried and recovered rows") {
    Bench bench;
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    bench.job();
    CHECK(eventually([&] { return bench.jobs() == 0; }));
    const auto id = bench.job();
    bench.schema.sql("update $schema.memory_jobs set created_at = '2001-01-01' where id = $1",
                     pg::Params().add(id));
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
}

TEST_CASE("a paused kind waits until it is resumed") {
    Bench bench;
    bench.schema.sql(
        "insert into $schema.memoird_pauses (kind, paused_at, paused_by) values ('embed', now(), 'x')");
    bench.start([&](Claims claims, auto&, auto) { return bench.done(claims); });
    REQUIRE(eventually([&] { return bench.log.count("memoir.fleet.paused") == 1; }));
    // What was claimed before the first look is done by now; from here on nothing is.
    REQUIRE(eventually([&] { return bench.engine->in_hand() == 0; }));
    std::this_thread::sleep_for(Milliseconds(500));  // and a claim that was under way has been answered
    const auto id = bench.job();
    bench.engine->wake("embed");
    const auto looks = bench.stage->runs.load();
    CHECK_FALSE(eventually([&] { return bench.state(id) == "gone"; }, std::chrono::milliseconds(200)));
    CHECK(bench.stage->runs == looks);
    bench.schema.sql("delete from $schema.memoird_pauses");
    CHECK(eventually([&] { return bench.state(id) == "gone"; }));
    CHECK(bench.log.count("memoir.fleet.resumed") == 1);
}

TEST_CASE("a slow lane does not delay another") {
    TestSchema schema;
    RecordingLog log;
    pg::Pool pool(schema.options(), 4);
    Gate gate;
    DoubleStage slow([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), nullptr};
    });
    DoubleStage quick([](Claims claims, auto&, auto) {
        return work::Result{std::vector<std::optional<Failure>>(claims.size()), nullptr};
    });
    work::EngineSettings settings;
    work::Options options;
    options.lanes = {{"slow", {"extract"}, 2, 4}, {"quick", {"embed"}, 1, 4}};
    options.poll_interval = Milliseconds(20);
    settings.schema = schema.name();
    settings.host = "test";
    settings.additions.pending_index = true;
    settings.database = schema.options();
    Engine engine(settings,
                  {options,
                   {{"extract", {&slow, {}, {}, false, false, {}, nullptr}},
                    {"embed", {&quick, {}, {}, false, false, {}, nullptr}}}},
                  pool, log);
    const auto pid = schema.memory("a");
    for (int row = 0; row < 50; ++row) {
        schema.job(pid, "extract");
        schema.job(pid, "embed");
    }
    engine.start();
    CHECK(gate.reached(2));
    CHECK(eventually(
        [&] { return schema.number("select count(*) from $schema.memory_jobs where kind = 'embed'") == 0; }));
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind = 'extract'") == 50);
    gate.open();
    engine.drain({});
}

TEST_CASE("a fan-in kind's no-op goes through the fan-in") {
    Bench bench("extract");
    bench.entry.fan_in = true;
    const auto pid = bench.schema.memory("a");
    bench.schema.job(pid, "extract");
    bench.start_entry();
    CHECK(eventually([&] {
        return bench.schema.number(
                   "select count(*) from $schema.memory_jobs where kind = 'synthesize' and source_pid "
                   "= $1",
                   pg::Params().add(pid)) == 1;
    }));
    CHECK(bench.jobs() == 1);
}
