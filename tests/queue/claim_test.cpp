#include "queue/claim.hpp"

#include <catch2/catch.hpp>

#include "queue/settle.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

const std::string me = "memoird/h:1:n/embed.0.1";

std::vector<Job> take(TestSchema& schema, int limit, const Position& after = {}, const std::string& by = me,
                      bool indexed = true) {
    const auto statement = claim(schema.name(), by, "embed", after, limit, indexed);
    return jobs(schema.sql(statement.sql, statement.params), by);
}

// Jobs of one memory, the n-th created n seconds after the epoch's billionth.
std::vector<std::int64_t> rows(TestSchema& schema, int count) {
    const auto pid = schema.memory("a");
    std::vector<std::int64_t> ids;
    for (int row = 0; row < count; ++row) {
        ids.push_back(schema.job(pid, "embed"));
        schema.sql("update $schema.memory_jobs set created_at = to_timestamp(1000000000 + $1) where id = $2",
                   pg::Params().add(row).add(ids.back()));
    }
    return ids;
}

}  // namespace

TEST_CASE("the oldest rows are claimed first, at most as many as asked for") {
    TestSchema schema;
    auto ids = rows(schema, 5);
    // The order is created_at's, not id's.
    schema.sql("update $schema.memory_jobs set created_at = '1999-01-01' where id = $1",
               pg::Params().add(ids[4]));
    const auto claimed = take(schema, 3);
    REQUIRE(claimed.size() == 3);
    CHECK(claimed[0].id == ids[4]);
    CHECK(claimed[1].id == ids[0]);
    CHECK(claimed[2].id == ids[1]);
}

TEST_CASE("a claimed row says who holds it since when") {
    TestSchema schema;
    rows(schema, 1);
    const auto claimed = take(schema, 1);
    CHECK(claimed.at(0).claimed_by == me);
    CHECK(claimed.at(0).kind == "embed");
    CHECK(claimed.at(0).waited_ms > 1'000);
    CHECK(schema.number(
              "select count(*) from $schema.memory_jobs where state = 'claimed' and claimed_by = $1 and "
              "claimed_at > clock_timestamp() - interval '10 seconds'",
              pg::Params().add(me)) == 1);
}

TEST_CASE("rows of one instant are claimed in the order of their ids") {
    TestSchema schema;
    auto ids = rows(schema, 6);
    schema.sql("update $schema.memory_jobs set created_at = '2024-01-01'");
    CHECK(take(schema, 2).back().id == ids[1]);
    const auto next = take(schema, 2, take(schema, 1).back().position);
    CHECK(next.front().id == ids[3]);
}

TEST_CASE("a claim past the cursor leaves what stands before it") {
    TestSchema schema;
    auto ids = rows(schema, 4);
    const Position cursor{1'000'000'001'000'000, ids[1]};
    const auto claimed = take(schema, 10, cursor);
    REQUIRE(claimed.size() == 2);
    CHECK(claimed[0].id == ids[2]);
}

TEST_CASE("rows at both infinities are claimed, the past one first and the future one last") {
    TestSchema schema;
    auto ids = rows(schema, 3);
    schema.sql("update $schema.memory_jobs set created_at = 'infinity' where id = $1",
               pg::Params().add(ids[0]));
    schema.sql("update $schema.memory_jobs set created_at = '-infinity' where id = $1",
               pg::Params().add(ids[2]));
    const auto claimed = take(schema, 10);
    REQUIRE(claimed.size() == 3);
    CHECK(claimed[0].id == ids[2]);
    CHECK(claimed[2].id == ids[0]);
    CHECK(take(schema, 10, claimed[1].position).empty());
}

TEST_CASE("two claimers never get the same row, and do not wait for each other") {
    TestSchema schema;
    rows(schema, 4);
    auto other = schema.connect();
    other->exec("begin");
    const auto first = claim(schema.name(), "memoird/h:2:m/embed.0.1", "embed", {}, 2, true);
    const auto theirs = jobs(other->exec(first.sql, first.params), "x");
    const auto mine = take(schema, 4);
    other->exec("commit");
    REQUIRE(theirs.size() == 2);
    REQUIRE(mine.size() == 2);
    for (const auto& job : mine)
        for (const auto& taken : theirs) CHECK(job.id != taken.id);
}

TEST_CASE("only the kind that was asked for is claimed") {
    TestSchema schema;
    const auto pid = schema.memory("a");
    schema.job(pid, "extract");
    CHECK(take(schema, 10).empty());
}

TEST_CASE("the ordinary claim passes suspects over") {
    TestSchema schema;
    auto ids = rows(schema, 3);
    schema.sql(
        "update $schema.memory_jobs set failure_reason = 'holder died: memoird/x:1:n/embed.0.1' where id = "
        "$1",
        pg::Params().add(ids[0]));
    const auto claimed = take(schema, 10);
    CHECK(claimed.size() == 2);
    CHECK(claimed.front().id == ids[1]);
}

TEST_CASE("a suspect is claimed alone, by a claim of its own") {
    TestSchema schema;
    auto ids = rows(schema, 4);
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x' where id >= $1",
               pg::Params().add(ids[2]));
    const auto statement = claim_suspect(schema.name(), me, "embed");
    const auto claimed = jobs(schema.sql(statement.sql, statement.params), me);
    REQUIRE(claimed.size() == 1);
    CHECK(claimed[0].id == ids[2]);
    CHECK(claimed[0].suspect);
}

TEST_CASE("a row that failed once for another reason is no suspect") {
    TestSchema schema;
    rows(schema, 1);
    schema.sql("update $schema.memory_jobs set failure_reason = 'HTTP 500', attempts = 1");
    const auto claimed = take(schema, 10);
    REQUIRE(claimed.size() == 1);
    CHECK_FALSE(claimed[0].suspect);
    CHECK(claimed[0].attempts == 1);
}

TEST_CASE("without our index the claim takes the oldest all the same") {
    TestSchema schema(TestSchema::With::contract);
    auto ids = rows(schema, 3);
    const auto claimed = take(schema, 2, {}, me, false);
    REQUIRE(claimed.size() == 2);
    CHECK(claimed[0].id == ids[0]);
}

TEST_CASE("a claim whose reply was lost finds its rows by its number") {
    TestSchema schema;
    rows(schema, 3);
    take(schema, 2);
    take(schema, 1, {}, "memoird/h:1:n/embed.0.2");
    const auto statement = adopt(schema.name(), me);
    CHECK(jobs(schema.sql(statement.sql, statement.params), me).size() == 2);
}

TEST_CASE("a claim behind a backlog of another kind reads our index from the cursor") {
    TestSchema schema;
    const auto pid = schema.memory("a");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select $1, 'extract' from generate_series(1, "
        "20000)",
        pg::Params().add(pid));
    schema.job(pid, "embed");
    schema.sql("analyze $schema.memory_jobs");
    const auto statement = claim(schema.name(), me, "embed", {}, 32, true);
    const auto plan = schema.sql("explain " + statement.sql, statement.params);
    std::string text;
    for (int row = 0; row < plan.rows(); ++row) text += plan.string(row, 0) + "\n";
    INFO(text);
    CHECK(text.find("memoird_jobs_pending_idx") != std::string::npos);
    CHECK(text.find("Sort") == std::string::npos);
}

TEST_CASE("a schema whose name is a word of SQL is served") {
    // Quoted everywhere; the statement alone shows it.
    const auto statement = claim("order", me, "embed", {}, 1, true);
    CHECK(statement.sql.find("\"order\".memory_jobs") != std::string::npos);
}
