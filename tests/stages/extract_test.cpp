// extract on a real queue: what is written, when nothing is, and what is paid for.
#include "stages/extract.hpp"

#include <catch2/catch.hpp>

#include "stages/rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Gate;
using memoir::test::json;
using memoir::test::Rig;

TEST_CASE("facts are written with their scope, origin, dates and jobs, in the order of the reply") {
    Rig rig([](const json&) {
        return Rig::reply(
            R"({"facts":[{"content":"SECRET b","confidence":0.285,"event_at":"2026-05-21"},
                         {"content":"SECRET a","confidence":1,"event_at":null},
                         {"content":" ","confidence":1,"event_at":null},
                         {"content":7,"confidence":1}]})");
    });
    rig.categorize_configured = true;
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(pid) == "SECRET b|SECRET a");
    CHECK(rig.schema.number("select count(*) from $schema.memories where source_pid = $1 and kind = "
                            "'semantic' and (agent_id, org_id, user_id) = ('a', 'o', 'u') and metadata = "
                            "'{\"origin\":\"extraction\",\"provider\":\"ollama\",\"model\":\"m\"}'",
                            pg::Params().add(pid)) == 2);
    CHECK(rig.schema.number("select confidence from $schema.memories where content = 'SECRET b' and "
                            "event_at = '2026-05-21 00:00:00+00'") == 29);
    CHECK(rig.schema.number("select count(distinct created_at) from $schema.memories where source_pid = $1",
                            pg::Params().add(pid)) == 2);
    CHECK(rig.jobs("embed") == 2);
    CHECK(rig.jobs("categorize") == 2);
    CHECK(rig.schema.number("select count(*) from $schema.memory_jobs where payload = "
                            "'{\"origin\":\"extraction\"}'") == 4);
    CHECK(rig.jobs("synthesize") == 1);
    CHECK(rig.kept() == 0);
    REQUIRE(eventually([&] { return rig.log.count("memoir.extraction.persisted") == 1; }));
    CHECK(rig.log.named("memoir.extraction.parsed")[0].field("skipped") == "2");
    CHECK(rig.said_nothing());
}

TEST_CASE("a reply without facts is a success, and ends in the fan-in; no classifier, no categorize job") {
    Rig rig([](const json&) { return Rig::facts({}); });
    const auto pid = rig.schema.memory("SECRET said");
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(pid, "extract")));
    CHECK(rig.active(pid).empty());
    CHECK(rig.jobs("synthesize") == 1);
    rig.says = [](const json&) { return Rig::facts({"one"}); };
    REQUIRE(rig.gone(rig.schema.job(rig.schema.memory("other"), "extract")));
    CHECK(rig.jobs("categorize") == 0);
}

TEST_CASE("a retired memory is not extracted, and costs nothing") {
    Rig rig;
    const auto pid = rig.schema.memory("SECRET said");
    rig.schema.sql("update $schema.memories set retirement_reason = 'stale'");
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(pid, "extract")));
    CHECK(rig.active(pid).empty());
    CHECK(rig.paid == 0);
    CHECK(rig.jobs("synthesize") == 1);
}

TEST_CASE("a memory that is forgotten or retired while the model thinks leaves nothing") {
    const bool forgotten = GENERATE(true, false);
    CAPTURE(forgotten);
    Gate gate;
    Rig rig([&](const json&) {
        gate.pass({});
        return Rig::facts({"SECRET fact"});
    });
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(gate.reached());
    rig.schema.sql(forgotten ? "delete from $schema.memories"
                             : "update $schema.memories set retirement_reason = 'rejected'");
    gate.open();
    REQUIRE(rig.gone(job));
    rig.stop();
    CHECK(rig.schema.number("select count(*) from $schema.memories where kind = 'semantic'") == 0);
    CHECK(rig.kept() <= (forgotten ? 0 : 1));
    CHECK(rig.log.count("memoir.worker.job_failed") == 0);
}

TEST_CASE("the journal forgets what was paid for a memory that was retired or edited meanwhile") {
    const bool retire = GENERATE(true, false);
    const std::string kind = GENERATE("extract", "relational_extract");
    std::atomic<bool> once{true};
    Rig rig;
    rig.says = [&](const json&) {
        if (once.exchange(false)) {
            auto connection = rig.schema.connect();
            connection->exec("update \"" + rig.schema.name() + "\".memories set " +
                             (retire ? "retirement_reason = 'stale'" : "content = 'SECRET new'") +
                             " where kind = 'episodic'");
        }
        return Rig::reply(R"({"facts":[],"triples":[]})");
    };
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, kind);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.paid == (retire ? 1 : 2));
    CHECK(rig.kept() == 0);
}

TEST_CASE("an edit while the model thinks starts over with the new content") {
    Gate gate;
    Rig rig([&](const json& request) {
        gate.pass({});
        const bool late = request.dump().find("SECRET new") != std::string::npos;
        return Rig::facts({late ? "new fact" : "old fact"});
    });
    const auto pid = rig.schema.memory("SECRET old");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(gate.reached());
    rig.schema.sql("update $schema.memories set content = 'SECRET new'");
    gate.open();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(pid) == "new fact");
}

TEST_CASE("a status that changes while the model thinks is nothing to start over for") {
    Gate gate;
    Rig rig([&](const json&) {
        gate.pass({});
        return Rig::facts({"fact"});
    });
    rig.journal = false;
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(gate.reached());
    rig.indexed(pid);
    gate.open();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(pid) == "fact");
    CHECK(rig.paid == 1);
}

TEST_CASE("a lost claim writes nothing, and whoever comes next does not pay again") {
    Gate gate;
    Rig rig([&](const json&) {
        gate.pass({});
        return Rig::facts({"SECRET fact"});
    });
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(gate.reached());
    rig.schema.sql("update $schema.memory_jobs set claimed_by = 'somebody else'");
    gate.open();
    REQUIRE(eventually([&] { return rig.log.count("memoir.worker.lease_lost") >= 1; }));
    CHECK(rig.active(pid).empty());
    REQUIRE(eventually([&] { return rig.kept() == 1; }));

    SECTION("with the same request") {
        rig.schema.sql("update $schema.memory_jobs set state = 'pending', claimed_by = null");
        REQUIRE(rig.gone(job));
        CHECK(rig.active(pid) == "SECRET fact");
        CHECK(rig.paid == 1);
        CHECK(rig.kept() == 0);
    }
    SECTION("but another model or prompt is another request") {
        rig.stop();
        (GENERATE(true, false) ? rig.model : rig.rules) = "other";
        rig.start();
        rig.schema.sql("update $schema.memory_jobs set state = 'pending', claimed_by = null");
        REQUIRE(rig.gone(job));
        CHECK(rig.paid == 2);
    }
    SECTION("and after seven days the reply is gone") {
        rig.replies->sweep(*rig.schema.connect(), {}, 1'000);
        CHECK(rig.kept() == 1);
        rig.schema.sql("update $schema.memoird_replies set created_at = now() - interval '8 days'");
        rig.replies->sweep(*rig.schema.connect(), {}, 1'000);
        CHECK(rig.kept() == 0);
    }
}

TEST_CASE("a settle that fails is repeated, and the reply is paid once") {
    Rig rig;
    // Fails twice as an outage of the database would.
    rig.schema.sql("create sequence $schema.tries");
    rig.schema.sql(
        "create function $schema.fail() returns trigger language plpgsql as $b$ begin if "
        "nextval('$schema.tries') < 3 then raise exception 'x' using errcode = '53100'; end if; "
        "return new; end $b$");
    rig.schema.sql(
        "create trigger fail before insert on $schema.memories for each row when (new.kind = "
        "'semantic') execute function $schema.fail()");
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(pid) == "likes SECRET tea");
    CHECK(rig.paid == 1);
    CHECK(rig.kept() == 0);
}

TEST_CASE("a reply that the database refuses is not replayed for ever") {
    Rig rig([count = 0](const json&) mutable { return Rig::facts({++count == 1 ? "bad" : "good"}); });
    rig.schema.sql("alter table $schema.memories add check (content <> 'bad')");
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(pid) == "good");
    CHECK(rig.paid == 2);
    CHECK(rig.kept() == 0);
}

TEST_CASE("replies that no job will ask for are gone after an hour, all others after seven days") {
    Rig rig;
    rig.options.lanes = {{"llm", {"embed"}, 1, 1}};
    rig.start();
    const auto waits = rig.schema.memory("SECRET waits"), member = rig.schema.memory("SECRET member"),
               done = rig.schema.memory("SECRET done");
    rig.schema.job(waits, "extract");
    const auto keep = [&](const std::string& pid, const std::string& kind, const std::string& age) {
        rig.schema.sql(
            "insert into $schema.memoird_replies (source_pid, kind, request_hash, reply, created_at) values "
            "($1, "
            "$2, $3::text, '{}', clock_timestamp() - $3::text::interval)",
            pg::Params().add(pid).add(kind).add(age));
    };
    const auto left = [&] {
        rig.replies->sweep(*rig.schema.connect(), {}, 1'000);
        return rig.schema.value(
            "select coalesce(string_agg(left(kind, 3) || ' ' || request_hash, ', ' order by kind, "
            "request_hash), "
            "'') from $schema.memoird_replies");
    };
    for (const std::string age : {"10 minutes", "2 hours", "8 days"}) {
        keep(waits, "extract", age);
        keep(done, "relational_extract", age);
        keep(member, "reprocess", age);
    }
    // A member's reply waits for a job of another memory, its neighbour.
    const auto correction = rig.schema.job(waits, "reprocess", R"({"reason":"stale"})");
    CHECK(left() == "ext 10 minutes, ext 2 hours, rel 10 minutes, rep 10 minutes, rep 2 hours");
    rig.schema.sql("delete from $schema.memory_jobs where id = $1", pg::Params().add(correction));
    CHECK(left() == "ext 10 minutes, ext 2 hours, rel 10 minutes, rep 10 minutes");
}

TEST_CASE("without its table nothing is kept, and nothing fails for it") {
    Rig rig;
    rig.schema.sql("drop table $schema.memoird_replies");
    rig.journal = false;
    const auto pid = rig.schema.memory("SECRET said");
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(pid, "extract")));
    CHECK(rig.active(pid) == "likes SECRET tea");
}

TEST_CASE("the second attempt is another request, and a bad reply is never kept") {
    Rig rig;
    std::mutex mutex;
    std::vector<json> seeds;
    rig.says = [&](const json& request) {
        std::lock_guard lock(mutex);
        seeds.push_back(request["options"].value("seed", json()));
        return seeds.size() == 1 ? Rig::reply(R"({"SECRET": "I would rather not"})") : Rig::facts({"fact"});
    };
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(rig.gone(job));
    std::lock_guard lock(mutex);
    REQUIRE(seeds.size() == 2);
    CHECK(seeds[0] != seeds[1]);
    CHECK(rig.log.count("memoir.extraction.parse_failed") == 1);
    CHECK(rig.said_nothing());
}

TEST_CASE("a cut reply is the job's failure, and says so") {
    Rig rig([](const json&) { return Rig::reply(R"({"facts":[{"content":"SECRET)", "length"); });
    const auto job = rig.schema.job(rig.schema.memory("SECRET said"), "extract");
    rig.start();
    REQUIRE(rig.ended(job));
    CHECK(rig.state(job).starts_with("failed/3/"));
    CHECK(rig.paid == 3);
    CHECK(rig.log.count("memoir.extraction.llm_failed") == 3);
    CHECK(rig.kept() == 0);
    CHECK(rig.said_nothing());
}

TEST_CASE("an outage of the model counts no attempt") {
    Rig rig;
    rig.server.stop();
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "extract");
    rig.start();
    REQUIRE(eventually([&] { return rig.log.count("memoir.worker.job_parked") >= 1; }));
    CHECK(rig.state(job).starts_with("claimed/0/"));
    CHECK(rig.said_nothing());
}

TEST_CASE("a reply of more facts than the limit stores the first ones, and the rest is told") {
    Rig rig([](const json&) { return Rig::facts(std::vector<std::string>(1'200, "SECRET fact")); });
    const auto pid = rig.schema.memory("SECRET said");
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(pid, "extract")));
    CHECK(rig.schema.number("select count(*) from $schema.memories where kind = 'semantic'") == 500);
    const auto parsed = rig.log.named("memoir.extraction.parsed");
    REQUIRE(parsed.size() == 1);
    CHECK(parsed[0].level == telemetry::Level::warning);
    CHECK(parsed[0].field("facts") == "500");
    CHECK(parsed[0].field("beyond_limit") == "700");
    CHECK(rig.said_nothing());
}
