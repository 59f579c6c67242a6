// Others on the same queue: the library's own worker, by the SQL of docs/contract.md, "Job lifecycle", other
// schemas, and kinds of a later version.

#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "system/events.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using namespace std::chrono_literals;

// A worker loop of the library: claims the oldest row of any kind, looks at id and state only when it
// settles, never renews, and recovers by its own lease whenever its queue is empty. Its effect is counted
// like ours.
class LibraryWorker {
  public:
    struct Settings {
        std::string claimed_by;  // empty: null
        // Of this content it fails every time.
        std::string poison{};
        // Its lease. Rows that wait are only ever measured by the library's 60 s.
        std::chrono::milliseconds lease{60'000};
        std::chrono::milliseconds pace{1};
    };
    LibraryWorker(TestSchema& schema, Settings settings)
        : schema_("\"" + schema.name() + "\""),
          settings_(std::move(settings)),
          connection_(schema.connect()),
          thread_([this](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  if (!work()) recover();
                  std::this_thread::sleep_for(settings_.pace);  // of its own poll
              }
          }) {}

    int done() const { return done_; }
    int recovered() const { return recovered_; }

  private:
    pg::Result sql(std::string text, const pg::Params& params = {}) {
        for (auto at = text.find("$s."); at != text.npos; at = text.find("$s.")) text.replace(at, 2, schema_);
        return connection_->exec(text, params);
    }
    bool work() {
        const auto job =
            sql("update $s.memory_jobs set state = 'claimed', claimed_at = now(), claimed_by = nullif($1, "
                "'') where "
                "id = (select id from $s.memory_jobs where state = 'pending' order by created_at limit 1 for "
                "update skip locked) returning id, source_pid",
                pg::Params().add(settings_.claimed_by));
        if (job.empty()) return false;
        const auto id = job.integer(0, 0);
        const auto pid = job.string(0, 1);
        const auto memory = sql("select content from $s.memories where pid = $1", pg::Params().add(pid));
        if (!settings_.poison.empty() && !memory.empty() && memory.string(0, 0) == settings_.poison) {
            sql("update $s.memory_jobs set attempts = attempts + 1, failure_reason = 'library', claimed_at = "
                "null, claimed_by = null, state = case when attempts + 1 >= 3 then 'failed' else 'pending' "
                "end "
                "where id = $1",
                pg::Params().add(id));
            return true;
        }
        sql("insert into $s.effects values ($1)", pg::Params().add(pid));
        sql("update $s.memories set qdrant_status = 'indexed' where pid = $1", pg::Params().add(pid));
        sql("delete from $s.memory_jobs where id = $1 and state = 'claimed'", pg::Params().add(id));
        ++done_;
        return true;
    }
    void recover() {
        recovered_ +=
            sql("update $s.memory_jobs set state = 'pending', claimed_at = null, claimed_by = null "
                "where state = 'claimed' and claimed_at < now() - case when claimed_by = 'parked' then "
                "interval '60 s' else $1::bigint * interval '1 ms' end returning id",
                pg::Params().add(static_cast<std::int64_t>(settings_.lease.count())))
                .rows();
    }

    const std::string schema_;
    const Settings settings_;
    std::unique_ptr<pg::Connection> connection_;
    std::atomic<int> done_ = 0, recovered_ = 0;
    std::jthread thread_;  // last: ends before what it uses
};

// What recovery did to claims: the age of each that went back to pending, and the attempts it had then.
void watch_recovery(TestSchema& schema) {
    schema.sql("create table $schema.returned (job bigint, holder text, age interval, attempts integer)");
    schema.sql(
        "create function $schema.note_return() returns trigger language plpgsql as 'begin if old.state = "
        "''claimed'' and new.state = ''pending'' then insert into \"" +
        schema.name() +
        "\".returned values (new.id, old.claimed_by, clock_timestamp() - old.claimed_at, new.attempts); end "
        "if; return new; end'");
    schema.sql(
        "create trigger note_return after update on $schema.memory_jobs for each row execute function "
        "$schema.note_return()");
}

}  // namespace

TEST_CASE("the library's workers and memoird drain one queue together, each row exactly once") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    fill(schema, 3'000);
    // Of these both fail: our attempts park the row, theirs do not, and it ends failed whoever makes the
    // last.
    for (int at = 0; at < 3; ++at) schema.job(schema.memory("poison"), "embed");
    embedder.before([](const HttpRequest& request) {
        return request.body.find("poison") != std::string::npos ? HttpReply{.status = 400} : HttpReply{};
    });
    {
        Memoird memoird(schema, embedder, {.settings = embed_lane(2, 8)});
        REQUIRE(memoird.ready());
        LibraryWorker one(schema, {.claimed_by = "worker-1", .poison = "poison"});
        LibraryWorker two(schema, {.claimed_by = "", .poison = "poison"});
        CHECK(eventually(
            [&] {
                return schema.number("select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
            },
            120s));
        CHECK(one.done() > 0);
        CHECK(two.done() > 0);
        CHECK(memoird.events("memoir.worker.job_succeeded").size() > 0);
        // What is parked looks to them like a claim whose lease is over when it is due; nothing else may.
        const auto parked = memoird.events("memoir.worker.job_parked").size() +
                            memoird.events("memoir.worker.job_failed").size();
        CHECK(static_cast<std::size_t>(one.recovered() + two.recovered()) <= parked);
        CHECK(memoird.stop() == 0);
        CHECK(static_cast<int>(memoird.events("memoir.worker.job_succeeded").size()) + one.done() +
                  two.done() ==
              3'000);
    }
    CHECK(schema.number("select count(*) from $schema.effects") == 3'000);
    CHECK(schema.number("select count(distinct pid) from $schema.effects") == 3'000);
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 3'000);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 3);
}

TEST_CASE("parked rows come back on time beside the library's workers, whoever notices first") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    watch_recovery(schema);
    const bool alone = GENERATE(true, false);
    CAPTURE(alone);
    // The first try of each fails in a way that is the text's own.
    std::atomic<int> failures = 4;
    embedder.before([&](const HttpRequest& request) {
        const bool fails = request.body.find("text ") != std::string::npos && failures-- > 0;
        return fails ? HttpReply{.status = 409} : HttpReply{};
    });
    fill(schema, 4);
    {
        Memoird memoird(schema, embedder,
                        {.settings = embed_lane(1, 1) +
                                     std::map<std::string, std::string>{{"worker.retry_base", "\"3s\""}}});
        REQUIRE(eventually([&] {
            return schema.number("select count(*) from $schema.memory_jobs where claimed_by = 'parked'") == 4;
        }));
        // The library's worker brings them back where no memoird is left to do it.
        if (alone) CHECK(memoird.stop() == 0);
        LibraryWorker library(schema, {.claimed_by = "worker-1"});
        CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
        if (alone) CHECK(library.recovered() == 4);
        if (!alone) CHECK(memoird.stop() == 0);
    }
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.returned where holder = 'parked'") == 4);
    // Due is 60 s after what stands in claimed_at: never before it, and no more than a few seconds late.
    CHECK(schema.number("select count(*) from $schema.returned where age < interval '59.9 s'") == 0);
    CHECK(schema.number("select count(*) from $schema.returned where age > interval '65 s'") == 0);
    CHECK(schema.number("select count(*) from $schema.attempts") == 4);
}

TEST_CASE("the library's slow claims are left alone for foreign_lease, and then taken without an attempt") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    watch_recovery(schema);
    fill(schema, 2);
    schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp(), claimed_by = case "
        "when id = (select min(id) from $schema.memory_jobs) then 'worker-1' end");
    Memoird memoird(schema, embedder, {.settings = quick({{"worker.foreign_lease", "\"6s\""}})});
    REQUIRE(memoird.ready());
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    CHECK(memoird.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
    CHECK(schema.number("select count(*) from $schema.returned") == 2);
    CHECK(schema.number(
              "select count(*) from $schema.returned where age < interval '6 s' or attempts <> 0") == 0);
    CHECK(schema.number("select count(*) from $schema.attempts") == 0);
    CHECK(values(memoird, "memoir.worker.lease_recovered", "outcome") == std::set<std::string>{"foreign"});
}

TEST_CASE("a long batch of ours is never taken by the library's recovery: every row is renewed") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    watch_recovery(schema);
    fill(schema, 16);
    std::atomic<bool> open = false;
    std::atomic<int> waiting = 0;
    embedder.before([&](const HttpRequest& request) {
        if (request.body.find("text ") != std::string::npos) {
            ++waiting;
            eventually([&] { return open.load(); }, 2min);
        }
        return HttpReply{};
    });
    Memoird memoird(schema, embedder,
                    {.settings = quick(embed_lane(1, 16) + std::map<std::string, std::string>{
                                                               {"embedding.timeout", "\"60s\""}})});
    REQUIRE(eventually([&] { return waiting > 0; }));
    {
        LibraryWorker library(schema, {.claimed_by = "worker-1", .lease = 4s});
        // Three of its leases have to pass: this is what the test is about.
        std::this_thread::sleep_for(12s);
        CHECK(library.recovered() == 0);
        CHECK(library.done() == 0);
    }
    CHECK(
        schema.number("select count(*) from $schema.memory_jobs where state = 'claimed' and claimed_by like "
                      "'memoird/%'") == 16);
    open = true;
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    CHECK(memoird.stop() == 0);
    CHECK(schema.number("select count(*) from $schema.returned") == 0);
    CHECK_EXACTLY_ONCE(schema);
}

TEST_CASE("a second schema in the same database is another queue") {
    TestSchema mine, other;
    EmbeddingDouble embedder;
    count_effects(mine);
    count_effects(other);
    fill(mine, 50);
    fill(other, 50);
    Memoird memoird(mine, embedder, {.arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    CHECK_EXACTLY_ONCE(mine);
    CHECK(other.number("select count(*) from $schema.memory_jobs where state = 'pending'") == 50);
    CHECK(other.number("select count(*) from $schema.effects") == 0);
    Memoird second(other, embedder, {.arguments = {"--until-idle"}});
    CHECK(second.process().wait() == 0);
    CHECK_EXACTLY_ONCE(other);
    CHECK(mine.number("select count(*) from $schema.effects") == 50);
}

TEST_CASE("a kind that memoird does not know is never claimed") {
    TestSchema schema;
    EmbeddingDouble embedder;
    count_effects(schema);
    schema.sql("alter table $schema.memory_jobs drop constraint memory_jobs_kind_check");
    const auto pid = schema.memory("text 0");
    for (int row = 0; row < 100; ++row) schema.job(pid, "summarize");  // before everything else
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, claimed_at, claimed_by) values ($1, "
        "'summarize', 'claimed', clock_timestamp(), 'parked')",
        pg::Params().add(pid));
    fill(schema, 20);
    Memoird memoird(schema, embedder, {.arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind = 'embed'") == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind = 'summarize' and state = "
                        "'pending' and attempts = 0 and claimed_by is null and updated_at = created_at") ==
          100);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_by = 'parked'") == 1);
}
