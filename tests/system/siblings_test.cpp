// The fan-in between two processes: each finishes one of a source's two siblings, at about the same time.
// MEMOIRD_SIBLINGS=100000 runs it as often; what a suite does by default keeps it short.

#include <catch2/catch.hpp>
#include <cstdlib>

#include "support/memoird.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::test;

TEST_CASE("two siblings that finish together in two processes end in exactly one synthesize") {
    const char* asked = std::getenv("MEMOIRD_SIBLINGS");
    const int sources = asked ? std::atoi(asked) : 2'000;
    TestSchema schema;
    EmbeddingDouble embedder;
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', "
        "'u', "
        "'x' from generate_series(1, $1::integer) i",
        pg::Params().add(sources));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select 'm' || i, k from generate_series(1, "
        "$1::integer) i, unnest(array['extract', 'relational_extract']) k",
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
                                          {"log.level", "\"warning\""}},
                             .arguments = {"--until-idle"}});
    };
    const auto one = process("extract"), two = process("relational_extract");
    CHECK(one->process().wait(std::chrono::minutes(60)) == 0);
    CHECK(two->process().wait(std::chrono::minutes(60)) == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == sources);
    CHECK(schema.number(
              "select count(distinct source_pid) from $schema.memory_jobs where kind = 'synthesize'") ==
          sources);
}
