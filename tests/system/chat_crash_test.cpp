// extract and reprocess with a memoird that is killed at each of their steps: another one takes over, and
// facts, jobs, vectors, feedback and the fan-in are there exactly once; no reply is paid for twice once its
// entry in the journal was committed. The one that is killed is memoird_failpoints (src/base/failpoint.hpp).

#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <set>

#include "support/chat_double.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    ChatDouble chat;
    std::mutex mutex;
    std::unique_ptr<pg::Connection> journal = schema.connect();
    std::set<std::string> paid_again;  // asked about although its reply was kept

    Fixture() {
        chat.says([this](const std::string& memory, const HttpRequest&) {
            look_into_journal(memory);
            if (memory.ends_with("c")) return chat.facts({});  // the correction leaves nothing of it
            return chat.facts({memory + " likes tea", memory + " likes cake"});
        });
    }
    void look_into_journal(const std::string& memory) {
        std::lock_guard lock(mutex);
        const auto kept =
            journal->exec("select from \"" + schema.name() + "\".memoird_replies where source_pid = $1",
                          pg::Params().add(memory));
        if (!kept.empty()) paid_again.insert(memory);
    }

    // `name` in a scope of its own, `agent`.
    void store(const std::string& name, const std::string& agent) {
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content, qdrant_status) values "
            "($1, "
            "$2, 'o', 'u', '[[' || $1 || ']] said something', 'indexed')",
            pg::Params().add(name).add(agent));
        add_vector(name);
    }
    void add_vector(const std::string& pid) {
        schema.sql("insert into $schema.memoird_vectors values ($1, 'double', array[1, 1, 1, 1]::real[])",
                   pg::Params().add(pid));
    }
    // What had been extracted from it before.
    void store_fact(const std::string& source) {
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content, kind, source_pid, "
            "qdrant_status, created_at) select 'old' || pid, agent_id, org_id, user_id, pid || ' likes "
            "milk', "
            "'semantic', pid, 'indexed', created_at from $schema.memories where pid = $1",
            pg::Params().add(source));
        add_vector("old" + source);
    }

    std::map<std::string, std::string> settings() {
        return quick(chat.settings() +
                     std::map<std::string, std::string>{{"classifier.provider", "\"embedding\""},
                                                        {"graph.url", "\"redis://127.0.0.1:1\""},
                                                        {"worker.max_attempts", "100"}});
    }
    // Takes the one job of `kind` there is, and dies at the step.
    void die_at(const std::string& step, const std::string& kind) {
        INFO(step);
        Memoird victim(schema, embedder,
                       {.settings = settings() +
                                    std::map<std::string, std::string>{
                                        {"worker.lease", "\"60s\""},  // recovers nobody's rows
                                        {"lanes.one.kinds", "[\"" + kind + "\"]"},
                                        {"lanes.one.loops", "1"},
                                        {"lanes.one.batch", "1"},
                                        {"log.level", "\"error\""}},
                        .environment = {{"MEMOIRD_KILL_AT", step}},
                        .program = memoird_failpoints_PROGRAM});
        const auto code = victim.process().wait();
        INFO(victim.log());
        REQUIRE(code == 128 + SIGKILL);
    }
    // A fresh memoird does what is left: of every kind but synthesize, which the fan-in is counted by.
    void take_over(std::chrono::seconds limit) {
        Memoird heir(schema, embedder,
                     {.settings = settings() + std::map<std::string, std::string>{
                                                   {"lanes.paid.kinds", "[\"extract\", \"reprocess\"]"},
                                                   {"lanes.paid.loops", "4"},
                                                   {"lanes.paid.batch", "1"},
                                                   {"lanes.free.kinds", "[\"embed\", \"categorize\"]"},
                                                   {"lanes.free.loops", "1"},
                                                   {"lanes.free.batch", "32"}}});
        const bool done = eventually(
            [&] {
                return schema.number("select count(*) from $schema.memory_jobs where kind <> 'synthesize'") ==
                       0;
            },
            limit);
        INFO(
            schema.value("select coalesce(string_agg(j::text, e'\\n'), '') from $schema.memory_jobs j where "
                         "kind <> 'synthesize'"));
        REQUIRE(done);
        CHECK(heir.stop() == 0);
        CHECK(heir.events("memoir.worker.job_failed").empty());
    }

    std::string active_facts(const std::string& source) {
        return schema.value(
            "select coalesce(string_agg(content, '|' order by created_at), '') from $schema.memories where "
            "source_pid = $1 and kind = 'semantic' and retirement_reason is null",
            pg::Params().add(source));
    }
    // Each active memory has its vector, each active fact its category, and nothing that was retired has one.
    void check_derived() {
        CHECK(schema.number(
                  "select count(*) from $schema.memories m where retirement_reason is null and not exists "
                  "(select from $schema.memoird_vectors v where v.pid = m.pid)") == 0);
        CHECK(schema.number("select count(*) from $schema.memories where retirement_reason is null and "
                            "qdrant_status <> 'indexed'") == 0);
        CHECK(schema.number(
                  "select count(*) from $schema.memories m where retirement_reason is not null and exists "
                  "(select from $schema.memoird_vectors v where v.pid = m.pid)") == 0);
        CHECK(schema.number("select count(*) from $schema.memories where kind = 'semantic' and "
                            "retirement_reason is null and category is null") == 0);
        CHECK(schema.number("select count(*) from $schema.memoird_replies") == 0);
        CHECK(paid_again.empty());
    }
    // The jobs that facts and feedback got, counted as they were written.
    void count_jobs() {
        schema.sql("create table $schema.enqueued (source_pid text, kind text)");
        schema.sql(
            "create function $schema.count_job() returns trigger language plpgsql as 'begin insert into \"" +
            schema.name() + "\".enqueued values (new.source_pid, new.kind); return new; end'");
        schema.sql(
            "create trigger count_job after insert on $schema.memory_jobs for each row execute function "
            "$schema.count_job()");
    }
    // Of each such job one was written for each such memory, and none for another.
    void check_enqueued(const std::string& kind, const std::string& which) {
        INFO(kind << " for " << which);
        CHECK(
            schema.number("select count(*) from $schema.enqueued where kind = $1", pg::Params().add(kind)) ==
            schema.number("select count(*) from $schema.memories where " + which));
        CHECK(schema.number(
                  "select count(*) from $schema.memories m where (" + which +
                      ") and 1 <> (select count(*) from $schema.enqueued e where e.source_pid = m.pid "
                      "and e.kind = $1)",
                  pg::Params().add(kind)) == 0);
    }
};

bool holds(const std::string& file, const std::string& text) {
    const auto search =
        run({.arguments = {"/usr/bin/grep", "-q", text, file}, .environment = {}, .input = {}});
    REQUIRE(search.code <= 1);
    return search.code == 0;
}

}  // namespace

TEST_CASE("the memoird that is installed has no steps to be killed at") {
    CHECK(holds(memoird_failpoints_PROGRAM, "MEMOIRD_KILL_AT"));
    CHECK_FALSE(holds(memoird_PROGRAM, "MEMOIRD_KILL_AT"));
}

TEST_CASE_METHOD(Fixture, "killed at any step of extract, memoird leaves each fact once and pays once") {
    const std::vector<std::string> steps{"extract.begun",     "reply.asking",    "reply.arrived",
                                         "reply.kept",        "extract.storing", "extract.stored",
                                         "settle.committing", "settle.committed"};
    count_jobs();
    for (const auto& step : steps) {
        store(step, step);
        schema.job(step, "extract");
        die_at(step, "extract");
    }
    take_over(std::chrono::seconds(60));
    for (const auto& step : steps) {
        INFO(step);
        CHECK(active_facts(step) == fmt::format("{0} likes tea|{0} likes cake", step));
        // Only a reply that was not in the journal yet is asked for again.
        CHECK(chat.calls()[step] == (step == "reply.arrived" ? 2 : 1));
    }
    check_derived();
    check_enqueued("embed", "kind = 'semantic'");
    check_enqueued("categorize", "kind = 'semantic'");
    check_enqueued("synthesize", "kind = 'episodic'");
}

TEST_CASE_METHOD(Fixture,
                 "killed at any step of reprocess, memoird works each correction in once and pays once") {
    std::vector<std::string> steps{"reprocess.begun", "reprocess.neighbours_found", "settle.committing",
                                   "settle.committed"};
    // The feedback and the frozen members are checkpoints of their own.
    for (const std::string number : {"1", "2"})
        for (const std::string step : {"checkpoint.committing:", "checkpoint.committed:"})
            steps.push_back(step + number);
    for (int member = 1; member <= 3; ++member) {
        for (const std::string step :
             {"reply.asking:", "reply.arrived:", "reply.kept:", "reprocess.replacing:", "reprocess.retired:",
              "reprocess.stored:", "reprocess.evicting:", "reprocess.evicted:"})
            steps.push_back(step + std::to_string(member));
        for (const std::string step : {"checkpoint.committing:", "checkpoint.committed:"})
            steps.push_back(step + std::to_string(member + 2));
    }
    count_jobs();
    for (const auto& step : steps) {
        // The source, a neighbour, and one of which the correction leaves nothing: an extract job of it that
        // failed would block its fan-in for ever.
        for (const std::string member : {"a", "b", "c"}) {
            store(step + member, step);
            store_fact(step + member);
        }
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind, state) values ($1, 'extract', 'failed')",
            pg::Params().add(step + "c"));
        schema.job(step + "a", "reprocess",
                   R"({"reason": "rejected", "feedback": "no milk", "min_similarity": -1})");
        die_at(step, "reprocess");
    }
    take_over(std::chrono::seconds(120));
    for (const auto& step : steps) {
        INFO(step);
        for (const std::string member : {"a", "b"}) {
            const auto pid = step + member;
            CHECK(active_facts(pid) == fmt::format("{0} likes tea|{0} likes cake", pid));
        }
        CHECK(active_facts(step + "c").empty());
        CHECK(schema.value("select string_agg(content, '|' order by pid) from $schema.memories where "
                           "retirement_reason = 'rejected' and agent_id = $1",
                           pg::Params().add(step)) ==
              fmt::format("{0}a likes milk|{0}b likes milk|{0}c likes milk", step));
        CHECK(schema.value("select string_agg(content, '|') from $schema.memories where agent_id = $1 and "
                           "metadata->>'origin' = 'feedback'",
                           pg::Params().add(step)) == "no milk");
        int calls = 0;
        for (const std::string member : {"a", "b", "c"}) calls += chat.calls()[step + member];
        CHECK(calls == (step.starts_with("reply.arrived") ? 4 : 3));
    }
    check_derived();
    check_enqueued("embed",
                   "(kind = 'semantic' and retirement_reason is null) or metadata->>'origin' = 'feedback'");
    check_enqueued("categorize", "kind = 'semantic' and retirement_reason is null");
    // Not by the pid alone: one that is drawn, the feedback's, may end like that, too.
    check_enqueued("synthesize", "content like '%c]] said something'");
}
