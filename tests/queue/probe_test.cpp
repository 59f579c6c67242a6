#include "queue/probe.hpp"

#include <catch2/catch.hpp>

#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

Look look(TestSchema& schema, const std::vector<std::string>& kinds, bool pauses = true) {
    const auto statement = first_pending(schema.name(), kinds, pauses, true);
    return look_result(schema.sql(statement.sql, statement.params));
}

}  // namespace

TEST_CASE("one look tells the first pending row of every kind") {
    TestSchema schema;
    const auto pid = schema.memory("a");
    const auto id = schema.job(pid, "embed");
    schema.job(pid, "embed");
    schema.job(pid, "extract");
    schema.sql("update $schema.memory_jobs set state = 'failed' where kind = 'extract'");
    const auto result = look(schema, {"embed", "extract"});
    REQUIRE(result.first.size() == 2);
    for (const auto& first : result.first) {
        if (first.kind == "embed") {
            REQUIRE(first.ordinary);
            CHECK(first.ordinary->id == id);
        } else {
            CHECK_FALSE(first.ordinary);
        }
        CHECK_FALSE(first.suspect);
    }
}

TEST_CASE("a look tells suspects from ordinary rows") {
    TestSchema schema;
    const auto pid = schema.memory("a");
    schema.job(pid, "embed");
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x'");
    const auto ordinary = schema.job(pid, "embed");
    const auto result = look(schema, {"embed"});
    CHECK(result.first.at(0).suspect);
    CHECK(result.first.at(0).ordinary->id == ordinary);
}

TEST_CASE("a look reads the pauses along, where the table is there") {
    TestSchema schema;
    schema.sql(
        "insert into $schema.memoird_pauses (kind, paused_at, paused_by) values ('embed', now(), 'x'), ('*', "
        "now(), 'x')");
    auto paused = look(schema, {"embed"}).paused;
    std::sort(paused.begin(), paused.end());
    CHECK(paused == std::vector<std::string>{"*", "embed"});
    TestSchema bare(TestSchema::With::contract);
    CHECK(look(bare, {"embed"}, false).paused.empty());
}

TEST_CASE("what is left tells pending, parked and our own rows of the kinds served") {
    TestSchema schema;
    const auto ask = [&] {
        const auto statement = remaining(schema.name(), std::vector<std::string>{"embed"}, "memoird/h:1:n/");
        return remaining_result(schema.sql(statement.sql, statement.params));
    };
    CHECK(ask().none());
    const auto pid = schema.memory("a");
    schema.job(pid, "extract");
    CHECK(ask().none());
    const auto id = schema.job(pid, "embed");
    CHECK(ask().pending);
    const auto set = [&](const std::string& by) {
        schema.sql("update $schema.memory_jobs set state = 'claimed', claimed_by = $2 where id = $1",
                   pg::Params().add(id).add(by));
    };
    set("parked");
    CHECK(ask().parked);
    set("memoird/h:1:n/embed.0.1");
    CHECK(ask().ours);
    set("memoird/h:2:m/embed.0.1");
    CHECK(ask().none());
}
