// The fan-in between processes: each of two finishes one of a source's two siblings, at the same time. They
// are fed a handful of sources at a time: with a long queue one would soon be far ahead of the other, and
// nothing would ever meet. MEMOIRD_SIBLINGS=100000 runs it as often; what a suite does by default keeps it
// short.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "support/memoird.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::test;

TEST_CASE("two siblings that finish together in two processes end in exactly one synthesize") {
    const char* asked = std::getenv("MEMOIRD_SIBLINGS");
    const int sources = asked ? std::atoi(asked) : 2'000;
    constexpr int together = 16;
    TestSchema schema;
    EmbeddingDouble embedder;
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', "
        "'u', 'x' from generate_series(1, $1::integer) i",
        pg::Params().add(sources));
    // No model anywhere: both kinds are completed as no-ops, each through the fan-in.
    const auto process = [&](const std::string& kind) {
        return std::make_unique<Memoird>(
            schema, embedder,
            Memoird::Options{.settings = {{"worker.unconfigured", "\"complete\""},
                                          {"graph.url", "\"redis://127.0.0.1:1\""},
                                          {"lanes.one.kinds", "[\"" + kind + "\"]"},
                                          {"lanes.one.loops", "4"},
                                          {"lanes.one.batch", "1"},
                                          {"log.level", "\"warning\""}}});
    };
    const auto one = process("extract"), two = process("relational_extract");
    for (int first = 1; first <= sources; first += together) {
        const auto batch = pg::Params().add(first).add(std::min(first + together - 1, sources));
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select 'm' || i, k from "
            "generate_series($1::integer, $2::integer) i, unnest(array['extract', 'relational_extract']) k",
            batch);
        const auto done = [&] {
            return schema.number(
                       "select count(*) from $schema.memory_jobs where source_pid = any(select 'm' || i from "
                       "generate_series($1::integer, $2::integer) i) and kind <> 'synthesize'",
                       batch) == 0;
        };
        REQUIRE(eventually(done, std::chrono::seconds(60)));  // the first batch waits for their start
    }
    CHECK(one->stop() == 0);
    CHECK(two->stop() == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == sources);
    CHECK(schema.number(
              "select count(distinct source_pid) from $schema.memory_jobs where kind = 'synthesize'") ==
          sources);
}

TEST_CASE("what a worker of the library lost beside us is repaired once, however many processes look") {
    constexpr int sources = 60;
    TestSchema schema;
    EmbeddingDouble embedder;
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', "
        "'u', 'x' from generate_series(1, $1::integer) i",
        pg::Params().add(sources));
    schema.sql("insert into $schema.graph_triple_staging (source_pid) select pid from $schema.memories");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select pid, 'extract' from $schema.memories");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, claimed_by, claimed_at) select pid, "
        "'relational_extract', 'claimed', 'library', now() from $schema.memories");
    // The library's end of a job: it looks while its own row is still there, enqueues when it saw no other,
    // and deletes afterwards, each by itself.
    const auto seen = schema.number(
        "select count(*) from $schema.memory_jobs own where kind = 'relational_extract' and exists (select "
        "from $schema.memory_jobs j where j.source_pid = own.source_pid and j.id <> own.id and j.kind in "
        "('extract', 'relational_extract', 'synthesize'))");
    REQUIRE(seen == sources);
    const auto process = [&] {
        return std::make_unique<Memoird>(
            schema, embedder,
            Memoird::Options{.settings = {{"worker.unconfigured", "\"complete\""},
                                          {"graph.url", "\"redis://127.0.0.1:1\""},
                                          {"database.statement_timeout", "\"2s\""},
                                          {"worker.lease", "\"4s\""},
                                          {"lanes.one.kinds", "[\"extract\"]"}}});
    };
    std::vector<std::unique_ptr<Memoird>> processes;
    for (int number = 0; number < 3; ++number) processes.push_back(process());
    const auto count = [&](const std::string& kind) {
        return schema.number("select count(*) from $schema.memory_jobs where kind = $1",
                             pg::Params().add(kind));
    };
    REQUIRE(eventually([&] { return count("extract") == 0; }));
    CHECK(count("synthesize") == 0);
    schema.sql("delete from $schema.memory_jobs where claimed_by = 'library' and state = 'claimed'");
    CHECK(count("synthesize") == 0);
    schema.sql("update $schema.graph_triple_staging set created_at = now() - interval '61 seconds'");
    REQUIRE(eventually([&] { return count("synthesize") == sources; }));
    std::size_t repaired = 0;
    for (const auto& one : processes) {
        CHECK(one->stop() == 0);
        repaired += one->events("memoir.fan_in.repaired").size();
    }
    CHECK(repaired == sources);
    CHECK(schema.number("select count(distinct source_pid) from $schema.memory_jobs") == sources);
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == sources);
}
