#include "queue/settle.hpp"

#include <catch2/catch.hpp>

#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

const std::string me = "memoird/h:1:n/embed.0.1";

// A claimed row of ours.
Fence claimed(TestSchema& schema, const std::string& by = me) {
    const auto id = schema.job(schema.memory("a"), "embed");
    schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = now(), claimed_by = $2 where id = $1",
        pg::Params().add(id).add(by));
    return {id, by};
}

std::vector<std::int64_t> run(pg::Connection& connection, const pg::Statement& statement) {
    const auto result = connection.exec(statement.sql, statement.params);
    std::vector<std::int64_t> ids;
    for (int row = 0; row < result.rows(); ++row) ids.push_back(result.integer(row, 0));
    return ids;
}
std::vector<std::int64_t> run(TestSchema& schema, const pg::Statement& statement) {
    const auto connection = schema.connect();
    return run(*connection, statement);
}

std::string state(TestSchema& schema, std::int64_t id) {
    return schema.value(
        "select coalesce((select state || '/' || coalesce(claimed_by, '-') || '/' || attempts || '/' || "
        "coalesce(failure_reason, '-') from $schema.memory_jobs where id = $1), 'gone')",
        pg::Params().add(id));
}

// Every settling statement, for the tests that hold for all of them.
std::vector<std::pair<std::string, pg::Statement>> all(const std::string& schema, const Fence& row) {
    const auto rows = std::span(&row, 1);
    const Park parked_row{row, Milliseconds(1'000), 1, "r"};
    const Fail failed_row{row, "r"};
    return {{"remove", remove(schema, rows, Commit::asynchronous)},
            {"remove durably", remove(schema, rows, Commit::durable)},
            {"remove under the memory's lock", remove_locked(schema, rows)},
            {"park", park(schema, std::span(&parked_row, 1))},
            {"fail", fail(schema, std::span(&failed_row, 1))},
            {"release", release(schema, rows)},
            {"checkpoint", checkpoint(schema, row, "{}", R"({"step": 1})")}};
}

}  // namespace

TEST_CASE("every settling statement changes a row that is ours") {
    TestSchema schema;
    for (std::size_t at = 0; at < 7; ++at) {
        const auto row = claimed(schema);
        const auto [name, statement] = all(schema.name(), row)[at];
        CAPTURE(name);
        CHECK(run(schema, statement) == std::vector{row.id});
    }
}

TEST_CASE(
    "no settling statement changes a row that somebody else holds, that is pending or that has failed") {
    TestSchema schema;
    for (const std::string change :
         {"claimed_by = 'memoird/h:2:m/embed.0.1'", "claimed_by = 'parked'", "claimed_by = null",
          "claimed_by = 'memoird/h:1:n/embed.0.2'", "state = 'pending'", "state = 'failed'"}) {
        const auto row = claimed(schema);
        schema.sql("update $schema.memory_jobs set " + change + " where id = $1", pg::Params().add(row.id));
        const auto before = state(schema, row.id);
        for (const auto& [name, statement] : all(schema.name(), row)) {
            CAPTURE(name, change);
            CHECK(run(schema, statement).empty());
            CHECK(state(schema, row.id) == before);
        }
    }
}

TEST_CASE("a row that somebody has locked is passed over without waiting") {
    TestSchema schema;
    const auto row = claimed(schema), free = claimed(schema);
    auto agent = schema.connect();
    agent->exec("begin");
    agent->exec("select from \"" + schema.name() + "\".memory_jobs where id = $1 for update",
                pg::Params().add(row.id));
    const std::vector both{row, free};
    CHECK(run(schema, remove(schema.name(), both, Commit::asynchronous)) == std::vector{free.id});
    agent->exec("rollback");
    CHECK(state(schema, row.id) == "claimed/" + me + "/0/-");
}

TEST_CASE("a parked row is claimed by exactly parked, its claimed_at 60 s before it is due") {
    TestSchema schema;
    const auto row = claimed(schema);
    const Park park_row{row, Milliseconds(90'000), 1, "HTTP 500"};
    run(schema, park(schema.name(), std::span(&park_row, 1)));
    CHECK(state(schema, row.id) == "claimed/parked/1/HTTP 500");
    const auto ahead = schema.number(
        "select (extract(epoch from claimed_at - clock_timestamp()) * 1000)::bigint from $schema.memory_jobs "
        "where id "
        "= $1",
        pg::Params().add(row.id));
    CHECK(ahead > 25'000);
    CHECK(ahead <= 30'000);
}

TEST_CASE("parking without an attempt leaves the attempts alone and a suspect a suspect") {
    TestSchema schema;
    const auto row = claimed(schema), suspect = claimed(schema);
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x', attempts = 1 where id = $1",
               pg::Params().add(suspect.id));
    const std::vector rows{Park{row, Milliseconds(1'000), 0, "qdrant: refused"},
                           Park{suspect, Milliseconds(1'000), 0, "qdrant: refused"}};
    run(schema, park(schema.name(), rows));
    CHECK(state(schema, row.id) == "claimed/parked/0/qdrant: refused");
    CHECK(state(schema, suspect.id) == "claimed/parked/1/holder died: x");
}

TEST_CASE("a retry of a suspect overwrites the mark") {
    TestSchema schema;
    const auto row = claimed(schema);
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x'");
    const Park park_row{row, Milliseconds(1'000), 1, "HTTP 500"};
    run(schema, park(schema.name(), std::span(&park_row, 1)));
    CHECK(state(schema, row.id) == "claimed/parked/1/HTTP 500");
}

TEST_CASE("a failed row counts the attempt, names the reason and is nobody's") {
    TestSchema schema;
    const auto row = claimed(schema);
    const Fail failed{row, "content refused"};
    run(schema, fail(schema.name(), std::span(&failed, 1)));
    CHECK(state(schema, row.id) == "failed/-/1/content refused");
    CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_at is null") == 1);
}

TEST_CASE("a released row is pending as if it had never been claimed") {
    TestSchema schema;
    const auto row = claimed(schema);
    schema.sql("update $schema.memory_jobs set failure_reason = 'holder died: x', attempts = 2");
    run(schema, release(schema.name(), std::span(&row, 1)));
    CHECK(state(schema, row.id) == "pending/-/2/holder died: x");
}

TEST_CASE("a checkpoint replaces the payload and the claim goes on") {
    TestSchema schema;
    const auto row = claimed(schema);
    run(schema,
        checkpoint(schema.name(), row, "{}", R"({"reason": "stale", "memoird": {"members": ["a"]}})"));
    CHECK(state(schema, row.id) == "claimed/" + me + "/0/-");
    CHECK(schema.value("select payload->'memoird'->'members'->>0 from $schema.memory_jobs") == "a");
}

TEST_CASE("a checkpoint whose earlier try stands already is not made again") {
    TestSchema schema;
    const auto row = claimed(schema);
    CHECK(run(schema, checkpoint(schema.name(), row, "{}", R"({"step": 1})")).size() == 1);
    CHECK(run(schema, checkpoint(schema.name(), row, "{}", R"({"step": 1})")).empty());
}

TEST_CASE("a look compares the payload as JSON, not as text") {
    TestSchema schema;
    const auto row = claimed(schema);
    schema.sql(R"(update $schema.memory_jobs set payload = '{"b": 1, "a": 2}')");
    const auto statement = look(schema.name(), std::vector{row.id}, R"({"a":2,"b":1})");
    const auto rows = seen(schema.sql(statement.sql, statement.params));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].payload_matches);
    CHECK(rows[0].claimed_by == me);
}

TEST_CASE("what need not be durable does not wait for the disk, what must be does") {
    test::Cluster cluster({.fsync = true, .config = {"wal_writer_delay=10s", "wal_writer_flush_after=0"}});
    TestSchema schema(TestSchema::With::all, cluster);
    // Up to where the log is on the disk; the statistics that count syncs differ between versions.
    const auto flushed = [&] {
        return schema.number("select (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint");
    };
    const auto mine = schema.connect();
    // How many of 20 such statements the disk has when they return, but for those whose turn it was anyway.
    const auto count = [&](const auto& make) {
        // Prepared before counting: setting the stage commits durably.
        std::vector<pg::Statement> statements;
        for (int row = 0; row < 20; ++row) statements.push_back(make(claimed(schema)));
        int durable = 0;
        for (const auto& statement : statements) {
            const auto before = flushed();
            REQUIRE(run(*mine, statement).size() == 1);
            if (flushed() > before) ++durable;
        }
        return durable;
    };
    const auto& name = schema.name();
    CHECK(count([&](Fence row) { return remove(name, std::span(&row, 1), Commit::asynchronous); }) < 10);
    CHECK(count([&](Fence row) { return release(name, std::span(&row, 1)); }) < 10);
    CHECK(count([&](Fence row) {
              const Park parked_row{row, Milliseconds(1'000), 0, "r"};
              return park(name, std::span(&parked_row, 1));
          }) < 10);
    CHECK(count([&](Fence row) { return remove(name, std::span(&row, 1), Commit::durable); }) == 20);
    CHECK(count([&](Fence row) {
              const Fail failed{row, "r"};
              return fail(name, std::span(&failed, 1));
          }) == 20);
}
