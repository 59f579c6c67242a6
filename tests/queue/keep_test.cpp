#include "queue/keep.hpp"

#include <catch2/catch.hpp>

#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

const std::string process = "memoird/h:1:n/";

std::int64_t claimed(TestSchema& schema, const std::string& by) {
    const auto id = schema.job(schema.memory("a"), "embed");
    schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = now() - interval '40 seconds', "
        "claimed_by = $2 where id = $1",
        pg::Params().add(id).add(by));
    return id;
}

bool fresh(TestSchema& schema, std::int64_t id) {
    return schema.value(
               "select claimed_at > clock_timestamp() - interval '20 seconds' from $schema.memory_jobs "
               "where id = $1",
               pg::Params().add(id)) == "t";
}

}  // namespace

TEST_CASE("a heartbeat renews what this process holds and nothing else") {
    TestSchema schema;
    const auto mine = claimed(schema, process + "embed.0.1"),
               other = claimed(schema, "memoird/h:2:m/embed.0.1"), parked_row = claimed(schema, "parked");
    const auto statement = renew(schema.name(), process, std::vector{mine, other, parked_row});
    const auto shown = fences(schema.sql(statement.sql, statement.params));
    REQUIRE(shown.size() == 1);
    CHECK(shown.front().id == mine);
    CHECK(fresh(schema, mine));
    CHECK_FALSE(fresh(schema, other));
    CHECK_FALSE(fresh(schema, parked_row));
}

TEST_CASE("one locked row does not stop the heartbeat of the others") {
    TestSchema schema;
    const auto locked = claimed(schema, process + "embed.0.1"),
               other = claimed(schema, process + "embed.0.1");
    auto agent = schema.connect();
    agent->exec("begin");
    agent->exec("select from \"" + schema.name() + "\".memory_jobs where id = $1 for update",
                pg::Params().add(locked));
    const auto statement = renew(schema.name(), process, std::vector{locked, other});
    // It is shown all the same: passed over is not lost.
    CHECK(fences(schema.sql(statement.sql, statement.params)).size() == 2);
    CHECK(fresh(schema, other));
    CHECK_FALSE(fresh(schema, locked));
    agent->exec("rollback");
}

TEST_CASE("a nonce that is the beginning of another one does not hold its rows") {
    TestSchema schema;
    claimed(schema, "memoird/h:1:nn/embed.0.1");
    const auto read = held(schema.name(), process, Milliseconds(60'000));
    CHECK(fences(schema.sql(read.sql, read.params)).empty());
}

TEST_CASE("a row of this process that was not renewed for long is a stray") {
    TestSchema schema;
    const auto stray = claimed(schema, process + "embed.0.1"), other = claimed(schema, process + "embed.0.2");
    claimed(schema, "memoird/h:2:m/embed.0.1");
    const auto renewal = renew(schema.name(), process, std::vector{other});
    schema.sql(renewal.sql, renewal.params);
    const auto look = strays(schema.name(), process, Milliseconds(20'000), Milliseconds(60'000), 10);
    const auto found = fences(schema.sql(look.sql, look.params));
    REQUIRE(found.size() == 1);
    CHECK(found.front().id == stray);
}
