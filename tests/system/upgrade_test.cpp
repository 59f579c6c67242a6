// Versions of memoird share one queue while a fleet is upgraded, or goes back. The cases tagged [upgrade] run
// an older program beside this one: scripts/test-upgrade builds it and names it in MEMOIRD_OLD_PROGRAM. The
// others speak as an older version does, without one: by what it leaves in rows.

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "system/events.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using namespace std::chrono_literals;

// As versions wrote it since the first one: "memoird/host:pid:nonce/lane.loop.seq".
const std::string old_holder = "memoird/elsewhere:4711:0123456789abcdef/embed.1.42";

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    Fixture() { count_effects(schema); }

    std::int64_t jobs() { return schema.number("select count(*) from $schema.memory_jobs"); }
    std::int64_t effects() { return schema.number("select count(*) from $schema.effects"); }
    std::int64_t attempts() { return schema.number("select count(*) from $schema.attempts"); }
    bool all_done(std::chrono::milliseconds limit = 120s) {
        return eventually([&] { return jobs() == 0; }, limit);
    }
    // The rows of memories with this prefix, claimed so.
    void claim(const std::string& prefix, const std::string& by, const std::string& at,
               const std::string& reason = "") {
        schema.sql(
            "update $schema.memory_jobs set state = 'claimed', claimed_by = $2, claimed_at = "
            "clock_timestamp() + $3::interval, failure_reason = nullif($4, '') where source_pid like $1",
            pg::Params().add(prefix + "%").add(by).add(at).add(reason));
    }
};

std::string old_program() {
    const char* named = std::getenv("MEMOIRD_OLD_PROGRAM");
    if (!named) throw std::runtime_error("MEMOIRD_OLD_PROGRAM is not set: run scripts/test-upgrade");
    return named;
}

Memoird::Options old_one(std::map<std::string, std::string> settings) {
    Memoird::Options options;
    options.settings = std::move(settings);
    options.program = old_program();
    return options;
}

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "what an older version holds is left to it while it renews, and taken over when it dies") {
    fill(schema, 3, "old");
    fill(schema, 20, "m");
    claim("old", old_holder, "0 s");
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(2, 8))});
    REQUIRE(eventually([&] { return jobs() == 3; }));
    // Renewed as its heartbeat does, for seven of ours: more than two leases.
    int beats = 0;
    std::string last;
    CHECK(eventually([&] {
        schema.sql("update $schema.memory_jobs set claimed_at = clock_timestamp() where claimed_by = $1",
                   pg::Params().add(old_holder));
        const auto seen = schema.value("select max(seen_at)::text from $schema.memoird_hosts");
        beats += std::exchange(last, seen) != seen;
        return beats > 7;
    }));
    CHECK(jobs() == 3);
    CHECK(attempts() == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_by = $1",
                        pg::Params().add(old_holder)) == 3);
    // And now it is dead: one attempt each, which names it.
    CHECK(all_done());
    CHECK_EXACTLY_ONCE(schema);
    CHECK(attempts() == 3);
    CHECK(unjust_attempts(schema) == 0);
    CHECK(schema.number("select count(*) from $schema.attempts where reason like '%' || $1 || '%'",
                        pg::Params().add(old_holder)) == 3);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "what an older version parked or suspected comes back, in whatever words it said why") {
    fill(schema, 2, "due");
    fill(schema, 2, "later");
    fill(schema, 2, "suspect");
    // Due is claimed_at + 60 s, whatever the lease.
    claim("due", "parked", "-59 s", "embedding is away");
    claim("later", "parked", "1 hour", "the reply was cut");
    schema.sql(
        "update $schema.memory_jobs set attempts = 1, failure_reason = 'holder died: ' || $1 where "
        "source_pid "
        "like 'suspect%'",
        pg::Params().add(old_holder));
    const auto attempts_before = attempts();
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(2, 8))});
    CHECK(eventually([&] { return jobs() == 2; }));
    CHECK(schema.number(
              "select count(*) from $schema.memory_jobs where source_pid like 'later%' and claimed_by "
              "= 'parked' and failure_reason = 'the reply was cut'") == 2);
    CHECK(effects() == 4);
    CHECK(attempts() == attempts_before);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "a fleet is upgraded one by one under load", "[.][upgrade]") {
    fill(schema, 20'000);
    const auto settings = quick(embed_lane(2, 8));
    std::vector<std::unique_ptr<Memoird>> old, next;
    for (int host = 0; host < 3; ++host)
        old.push_back(std::make_unique<Memoird>(schema, embedder, old_one(settings)));
    for (auto& each : old) REQUIRE(each->ready());
    for (auto& each : old) {
        const auto before = effects();
        next.push_back(std::make_unique<Memoird>(schema, embedder, Memoird::Options{.settings = settings}));
        REQUIRE(next.back()->ready());
        CHECK(eventually([&] { return effects() > before + 200 || jobs() == 0; }));
        CHECK(jobs() > 0);
        CHECK(each->stop() == 0);
    }
    CHECK(all_done());
    for (auto& each : next) CHECK(each->stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(attempts() == 0);
}

TEST_CASE_METHOD(Fixture, "either version takes over what the other one died with", "[.][upgrade]") {
    const bool upgrade = GENERATE(true, false);
    CAPTURE(upgrade);
    fill(schema, 2'000);
    const auto settings = quick(embed_lane(2, 4));
    const Memoird::Options now{.settings = settings};
    {
        Memoird dying(schema, embedder, upgrade ? old_one(settings) : now);
        REQUIRE(eventually([&] { return effects() > 100; }));
        dying.process().signal(SIGKILL);
        dying.process().wait();
    }
    Memoird heir(schema, embedder, upgrade ? now : old_one(settings));
    CHECK(all_done());
    CHECK(heir.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(unjust_attempts(schema) == 0);
}

TEST_CASE_METHOD(Fixture, "either version brings back what the other one parked", "[.][upgrade]") {
    const bool upgrade = GENERATE(true, false);
    CAPTURE(upgrade);
    fill(schema, 40);
    embedder.before([](const HttpRequest& request) {
        return HttpReply{.status = request.body.find("text ") == std::string::npos ? 200 : 503};
    });
    const auto settings = quick(embed_lane(2, 4));
    const Memoird::Options now{.settings = settings};
    const auto parked = [&] {
        return schema.number("select count(*) from $schema.memory_jobs where claimed_by = 'parked'");
    };
    {
        Memoird first(schema, embedder, upgrade ? old_one(settings) : now);
        REQUIRE(eventually([&] { return parked() > 0; }));
        CHECK(first.stop() == 0);
    }
    CHECK(jobs() == 40);
    embedder.before({});
    Memoird second(schema, embedder, upgrade ? now : old_one(settings));
    CHECK(all_done());
    CHECK(second.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(attempts() == 0);
}

TEST_CASE_METHOD(Fixture, "a queue that two versions kill and share loses nothing", "[.][upgrade]") {
    fill(schema, 6'000);
    const auto settings =
        quick(embed_lane(2, 4) + std::map<std::string, std::string>{{"worker.max_attempts", "1000"}});
    const Memoird::Options now{.settings = settings};
    std::vector<std::unique_ptr<Memoird>> fleet(4);
    const auto start = [&](std::size_t place) {
        fleet[place] = std::make_unique<Memoird>(schema, embedder, place % 2 == 0 ? old_one(settings) : now);
    };
    for (std::size_t place = 0; place < fleet.size(); ++place) start(place);
    for (std::size_t death = 0; death < 12 && jobs() > 0; ++death) {
        const auto before = effects();
        CHECK(eventually([&] { return effects() > before + 50 || jobs() == 0; }, 60s));
        fleet[death % 4]->process().signal(SIGKILL);
        fleet[death % 4]->process().wait();
        start(death % 4);
    }
    CHECK(all_done());
    for (auto& each : fleet) CHECK(each->stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(unjust_attempts(schema) == 0);
}
