// An engine that is given another plan while it runs: no job is lost, handed back, counted or done twice.

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "endpoint/endpoint.hpp"
#include "work/double_stage.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using Claims = std::span<work::Claim>;

struct Fixture : Bench {
    Fixture() { options.lanes = {{"lane", {"embed"}, 1, 1}}; }

    void fill(int rows, const std::string& kind = "embed") {
        const auto pid = schema.memory("a");
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select $1, $2 from generate_series(1, "
            "$3::integer)",
            pg::Params().add(pid).add(kind).add(rows));
    }
    // Work that waits at the gate.
    DoubleStage::Work waiting(Gate& gate) {
        return [this, &gate](Claims claims, auto&, std::stop_token stop) {
            gate.pass(stop);
            return done(claims);
        };
    }
    void replace(std::vector<work::LaneOptions> lanes) {
        options.lanes = std::move(lanes);
        CHECK(engine->replace(plan()));
    }
    bool all_done(int rows) {
        return eventually([&] { return jobs() == 0; }) &&
               schema.number("select count(*) from $schema.effects") == rows &&
               schema.number("select count(distinct job) from $schema.effects") == rows;
    }
    // Nothing was handed back, lost, or charged with an attempt.
    void check_calm() {
        for (const auto* name : {"memoir.worker.job_released", "memoir.worker.lease_lost",
                                 "memoir.worker.job_failed", "memoir.worker.lease_recovered"})
            CHECK(log.count(name) == 0);
    }
    std::set<std::string> workers(std::size_t from = 0) {
        std::set<std::string> names;
        const auto events = log.named("memoir.worker.job_succeeded");
        for (auto at = from; at < events.size(); ++at) names.insert(events[at].field("worker"));
        return names;
    }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a lane that grows gets its loops at once, also while all it has are busy") {
    Gate gate;
    fill(6);
    start(waiting(gate));
    REQUIRE(gate.reached(1));
    replace({{"lane", {"embed"}, 6, 1}});
    CHECK(gate.reached(6));
    gate.open();
    CHECK(all_done(6));
    check_calm();
}

TEST_CASE_METHOD(Fixture, "a lane that shrinks lets its loops finish what they hold") {
    options.lanes = {{"lane", {"embed"}, 6, 2}};
    Gate gate;
    fill(12);
    start(waiting(gate));
    REQUIRE(gate.reached(6));
    replace({{"lane", {"embed"}, 1, 2}});
    CHECK(engine->in_hand() == 12);
    gate.open();
    REQUIRE(all_done(12));
    fill(200);
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(eventually([&] { return log.count("memoir.worker.job_succeeded") == 212; }));
    CHECK(workers(12).size() == 1);
    check_calm();
}

TEST_CASE_METHOD(Fixture, "loops that were to go stay when the lane grows again meanwhile") {
    options.lanes = {{"lane", {"embed"}, 4, 1}};
    Gate gate;
    fill(4);
    start(waiting(gate));
    REQUIRE(gate.reached(4));
    for (int time = 0; time < 10; ++time) {
        replace({{"lane", {"embed"}, 1, 1}});
        replace({{"lane", {"embed"}, 4, 1}});
    }
    gate.open();
    REQUIRE(all_done(4));
    fill(300);
    REQUIRE(all_done(304));
    CHECK(workers() == std::set<std::string>{"lane.0", "lane.1", "lane.2", "lane.3"});
    check_calm();
}

TEST_CASE_METHOD(Fixture, "another batch size is that of the next claims") {
    std::atomic<std::size_t> largest = 0;
    Gate gate;
    fill(1);
    start([&](Claims claims, auto&, std::stop_token stop) {
        largest = std::max<std::size_t>(largest, claims.size());
        gate.pass(stop);
        return done(claims);
    });
    REQUIRE(gate.reached(1));
    fill(50);
    replace({{"lane", {"embed"}, 1, 50}});
    CHECK(largest == 1);
    gate.open();
    CHECK(all_done(51));
    CHECK(largest == 50);
    check_calm();
}

TEST_CASE_METHOD(Fixture, "a kind whose lane is renamed under it is served on by the new one") {
    Gate gate;
    fill(1);
    start(waiting(gate));
    REQUIRE(gate.reached(1));
    replace({{"other", {"embed"}, 2, 1}});
    fill(20);
    CHECK(gate.reached(3));  // the old loop's, and two of the new lane
    gate.open();
    CHECK(all_done(21));
    CHECK(engine->loops() == std::map<std::string, int>{{"other", 2}});
    CHECK(eventually([&] { return log.count("memoir.worker.job_succeeded") == 21; }));
    CHECK(workers() == std::set<std::string>{"lane.0", "other.0", "other.1"});
    check_calm();
}

TEST_CASE_METHOD(Fixture, "a kind that is in no lane any more is left, and served when it comes back") {
    start([&](Claims claims, auto&, auto) { return done(claims); });
    fill(3);
    REQUIRE(all_done(3));
    replace({{"lane", {"extract"}, 1, 1}});
    CHECK(engine->kinds().empty());
    fill(3);
    engine->wake("embed");
    replace({{"lane", {"embed"}, 1, 1}});
    CHECK(all_done(6));
    CHECK(engine->kinds() == std::vector<std::string>{"embed"});
    check_calm();
}

TEST_CASE_METHOD(Fixture, "a job under way ends by the plan that it began with, and the plan lives so long") {
    Gate gate;
    fill(1);
    std::vector<std::string> order;
    std::mutex mutex;
    const auto note = [&](const std::string& what) {
        std::lock_guard lock(mutex);
        order.push_back(what);
    };
    DoubleStage old([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        note("old");
        return done(claims);
    });
    DoubleStage next([&](Claims claims, auto&, auto) {
        note("new");
        return done(claims);
    });
    auto backing = std::make_shared<int>();
    const std::weak_ptr<int> alive = backing;
    entry.stage = &old;
    start_entry();
    REQUIRE(engine->replace(plan(std::exchange(backing, nullptr))));
    REQUIRE(gate.reached(1));
    entry.stage = &next;
    replace({{"lane", {"embed"}, 2, 1}});
    fill(3);
    REQUIRE(eventually([&] { return jobs() == 1; }));
    CHECK_FALSE(alive.expired());
    gate.open();
    CHECK(all_done(4));
    CHECK(order == std::vector<std::string>{"new", "new", "new", "old"});
    CHECK(eventually([&] { return alive.expired(); }));
}

TEST_CASE_METHOD(Fixture,
                 "retry settings hold for what fails after the change, job_timeout for the next runs") {
    Gate gate;
    const auto id = job();
    std::atomic<bool> hang = false;
    start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        if (hang) {
            Gate().pass(stop);
            throw Failure(FailureType::cancelled, "stopped");
        }
        return work::Result{
            std::vector<std::optional<Failure>>(claims.size(), Failure(FailureType::job, "x")), nullptr};
    });
    REQUIRE(gate.reached(1));
    options.max_attempts = 1;
    options.job_timeout = Milliseconds(200);
    replace(options.lanes);
    gate.open();
    CHECK(eventually([&] { return state(id) == "failed/-/1/x"; }));
    hang = true;
    const auto late = job();
    CHECK(eventually([&] { return state(late) == "failed/-/1/exceeded its deadline of 0 s"; }));
}

TEST_CASE_METHOD(Fixture, "rows of a lane that is gone are renewed until they are done") {
    options.lease = Milliseconds(300);
    Gate gate;
    fill(1);
    start(waiting(gate));
    REQUIRE(gate.reached(1));
    replace({{"other", {"extract"}, 1, 1}});
    const auto seen = schema.value("select claimed_at::text from $schema.memory_jobs");
    for (int beat = 0; beat < 8; ++beat) {
        const auto before = schema.value("select claimed_at::text from $schema.memory_jobs");
        CHECK(eventually(
            [&] { return schema.value("select claimed_at::text from $schema.memory_jobs") != before; }));
    }
    CHECK(engine->in_hand() == 1);
    gate.open();
    CHECK(all_done(1));
    check_calm();
}

TEST_CASE_METHOD(Fixture, "a suspect that is under way when its kind goes lets the next one in") {
    Gate gate;
    for (int row = 0; row < 2; ++row) job();
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x', attempts = 1");
    start(waiting(gate));
    REQUIRE(gate.reached(1));
    replace({});
    gate.open();
    CHECK(eventually([&] { return jobs() == 1 && engine->in_hand() == 0; }));
    replace({{"lane", {"embed"}, 1, 1}});
    CHECK(all_done(2));
}

TEST_CASE_METHOD(Fixture, "in a drain no paid call begins, by an earlier plan either, and no plan comes") {
    endpoint::Endpoint model({"model", 0, "x"}, {}, log);
    Gate gate;
    const auto id = job();
    entry.needs = {&model};
    entry.model = &model;
    start([&](Claims claims, auto&, std::stop_token stop) {
        gate.pass(stop);
        model.call(endpoint::Nature::write, stop, [] {});
        return done(claims);
    });
    REQUIRE(gate.reached(1));
    DoubleStage next([&](Claims claims, auto&, auto) { return done(claims); });
    entry = {};
    entry.stage = &next;
    replace({{"lane", {"embed"}, 1, 1}});
    std::jthread drain([&] { engine->drain({}); });
    CHECK(eventually([&] { return !engine->replace(plan()); }));
    // Closed right after that, before loops are waited for.
    CHECK(eventually([&] {
        try {
            model.call(endpoint::Nature::write, {}, [] {});
            return false;
        } catch (const Failure&) {
            return true;
        }
    }));
    gate.open();
    drain.join();
    CHECK(state(id) == "pending/-/0/-");
    engine.reset();
}

TEST_CASE_METHOD(Fixture, "no-ops that claim as they settle let go of loops, too") {
    options.lanes = {{"lane", {"embed"}, 6, 2}};
    fill(2'000);
    start_entry();
    REQUIRE(eventually([&] { return log.count("memoir.worker.job_succeeded") > 100; }));
    replace({{"lane", {"embed"}, 1, 2}});
    CHECK(eventually([&] { return jobs() == 0 && engine->in_hand() == 0; }));
    const auto before = log.count("memoir.worker.job_succeeded");
    fill(100);
    CHECK(eventually([&] { return log.count("memoir.worker.job_succeeded") == before + 100; }));
    CHECK(workers(before).size() == 1);
    check_calm();
}

TEST_CASE_METHOD(Fixture, "under load any number of plans loses nothing and does nothing twice") {
    // Which transaction made each claim: a claim's name that comes twice would show two.
    schema.sql("create table $schema.claims (claimed_by text, claim bigint)");
    schema.sql(
        "create function $schema.note_claim() returns trigger language plpgsql as 'begin if old.state = "
        "''pending'' and new.state = ''claimed'' then insert into \"" +
        schema.name() + "\".claims values (new.claimed_by, txid_current()); end if; return new; end'");
    schema.sql(
        "create trigger note_claim after update on $schema.memory_jobs for each row execute function "
        "$schema.note_claim()");
    constexpr int rows = 3'000;
    fill(rows);
    DoubleStage work([&](Claims claims, auto&, auto) { return done(claims); });
    entry.stage = &work;
    start_entry();
    std::mt19937 random(7);
    const auto up_to = [&](int most) { return std::uniform_int_distribution(1, most)(random); };
    for (int change = 0; change < 150; ++change) {
        std::vector<work::LaneOptions> lanes;
        if (up_to(5) > 1) lanes.push_back({"lane" + std::to_string(up_to(3)), {"embed"}, up_to(6), up_to(8)});
        replace(lanes);
        // A little is done between any two of them, as long as there is a lane.
        const auto done_before = engine->tally().succeeded.load();
        if (!lanes.empty())
            CHECK(eventually([&] { return engine->tally().succeeded > done_before || jobs() == 0; }));
    }
    replace({{"last", {"embed"}, 4, 8}});
    CHECK(all_done(rows));
    CHECK(schema.number("select count(*) from (select from $schema.claims group by claimed_by having "
                        "count(distinct claim) > 1) twice") == 0);
    // A loop that a plan lets go hands back what a claim under way still brings it: that row is claimed once
    // more.
    CHECK(schema.number("select count(*) from $schema.claims") >= rows);
    check_calm();
}
