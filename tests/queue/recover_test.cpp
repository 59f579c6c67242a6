#include "queue/recover.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "queue/settle.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

std::int64_t claimed(TestSchema& schema, const std::string& by, const std::string& ago, int attempts = 0) {
    const auto id = schema.job(schema.memory("a"), "embed");
    schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp() - $3::interval, "
        "claimed_by = nullif($2, ''), attempts = $4 where id = $1",
        pg::Params().add(id).add(by).add(ago).add(attempts));
    return id;
}

const Leases leases{Milliseconds(60'000), Milliseconds(600'000), true, true};

std::vector<Overdue> look_for(TestSchema& schema) {
    const auto statement = overdue(schema.name(), leases, {}, 1'000);
    return overdue_slice(schema.sql(statement.sql, statement.params), 1'000).rows;
}

std::string state(TestSchema& schema, std::int64_t id) {
    return schema.value(
        "select state || '/' || coalesce(claimed_by, '-') || '/' || attempts || '/' || "
        "coalesce(failure_reason, '-') from $schema.memory_jobs where id = $1",
        pg::Params().add(id));
}

const std::string dead = "memoird/h:9:dead/embed.0.1";

}  // namespace

TEST_CASE("a parked row comes back when it is due, without an attempt, and not before") {
    TestSchema schema;
    const auto due = claimed(schema, "parked", "60 seconds", 1),
               later = claimed(schema, "parked", "59 seconds"),
               far = claimed(schema, "parked", "-10 minutes");
    const auto statement = unpark(schema.name(), 10);
    const auto rows = returned(schema.sql(statement.sql, statement.params));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].id == due);
    CHECK(state(schema, due) == "pending/-/1/-");
    CHECK(state(schema, later) == "claimed/parked/0/-");
    CHECK(state(schema, far) == "claimed/parked/0/-");
}

TEST_CASE("the library's recovery, with its lease of 60 s, brings a parked row back when it is due") {
    TestSchema schema;
    const auto due = claimed(schema, "parked", "61 seconds", 2),
               later = claimed(schema, "parked", "50 seconds");
    schema.sql(
        "update $schema.memory_jobs set state = 'pending', claimed_at = null, claimed_by = null where state "
        "= "
        "'claimed' and claimed_at < now() - interval '60 seconds'");
    CHECK(state(schema, due) == "pending/-/2/-");
    CHECK(state(schema, later) == "claimed/parked/0/-");
}

TEST_CASE("a look finds claims of memoirds past the lease and of others past foreign_lease") {
    TestSchema schema;
    const auto old = claimed(schema, dead, "61 seconds");
    claimed(schema, dead, "59 seconds");
    claimed(schema, "parked", "1 hour");
    claimed(schema, "worker-1", "9 minutes");
    const auto foreign = claimed(schema, "worker-1", "11 minutes"),
               nameless = claimed(schema, "", "11 minutes");
    const auto rows = look_for(schema);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].id == foreign);
    CHECK_FALSE(rows[0].memoird());
    CHECK(rows[1].id == nameless);
    CHECK_FALSE(rows[1].memoird());
    CHECK(rows[2].id == old);
    CHECK(rows[2].memoird());
}

TEST_CASE("a dead memoird's row counts an attempt and becomes a suspect that names it") {
    TestSchema schema;
    const auto id = claimed(schema, dead, "61 seconds", 1);
    const auto statement = recover_dead(schema.name(), look_for(schema));
    CHECK(returned(schema.sql(statement.sql, statement.params)).size() == 1);
    CHECK(state(schema, id) == "pending/-/2/holder died: " + dead);
}

TEST_CASE("a row of a worker that is no memoird goes back without an attempt") {
    TestSchema schema;
    const auto id = claimed(schema, "worker-1", "11 minutes", 1),
               nameless = claimed(schema, "", "11 minutes");
    const auto statement = recover_unharmed(schema.name(), look_for(schema));
    CHECK(returned(schema.sql(statement.sql, statement.params)).size() == 2);
    CHECK(state(schema, id) == "pending/-/1/-");
    CHECK(state(schema, nameless) == "pending/-/0/-");
}

TEST_CASE("a claim that was renewed, settled or taken since the first look is left alone") {
    TestSchema schema;
    for (const std::string change :
         {"claimed_at = clock_timestamp()", "claimed_by = 'memoird/h:2:m/embed.0.1'", "claimed_by = null",
          "state = 'pending', claimed_by = null, claimed_at = null"}) {
        CAPTURE(change);
        const auto id = claimed(schema, dead, "61 seconds");
        const auto seen_rows = look_for(schema);
        schema.sql("update $schema.memory_jobs set " + change + " where id = $1", pg::Params().add(id));
        const auto before = state(schema, id);
        for (const auto& statement :
             {recover_dead(schema.name(), seen_rows), recover_unharmed(schema.name(), seen_rows),
              bury(schema.name(), seen_rows)})
            CHECK(schema.sql(statement.sql, statement.params).empty());
        CHECK(state(schema, id) == before);
        schema.sql("delete from $schema.memory_jobs");
    }
}

TEST_CASE("a dead memoird's row without an attempt left is buried with the holder named") {
    TestSchema schema;
    const auto id = claimed(schema, dead, "61 seconds", 2);
    const auto statement = bury(schema.name(), look_for(schema));
    CHECK(schema.sql(statement.sql, statement.params).rows() == 1);
    CHECK(state(schema, id) == "failed/-/3/holder died: " + dead);
}

TEST_CASE("a row that somebody has locked is recovered another time") {
    TestSchema schema;
    const auto id = claimed(schema, dead, "61 seconds");
    auto agent = schema.connect();
    agent->exec("begin");
    agent->exec("select from \"" + schema.name() + "\".memory_jobs where id = $1 for update",
                pg::Params().add(id));
    const auto statement = recover_dead(schema.name(), look_for(schema));
    CHECK(schema.sql(statement.sql, statement.params).empty());
    agent->exec("rollback");
}

TEST_CASE("a row whose holder shows itself as alive is not overdue, however old the claim") {
    TestSchema schema;
    const auto alive = claimed(schema, "memoird/h:1:alive/embed.0.1", "2 minutes"),
               silent = claimed(schema, "memoird/h:1:silent/embed.0.1", "2 minutes"),
               drained = claimed(schema, "memoird/h:1:drained/embed.0.1", "2 minutes");
    schema.sql(
        "insert into $schema.memoird_hosts (nonce, host, pid, version, kinds, seen_at, draining_since) values "
        "('alive', 'h', 1, '1', '{}', clock_timestamp() - interval '50 seconds', null), ('silent', 'h', 1, '1', "
        "'{}', clock_timestamp() - interval '70 seconds', null), ('drained', 'h', 1, '1', '{}', "
        "clock_timestamp() - interval '70 seconds', clock_timestamp() - interval '80 seconds')");
    const auto rows = look_for(schema);
    REQUIRE(rows.size() == 2);
    for (const auto& row : rows) {
        CHECK(row.id != alive);
        CHECK(row.drained == (row.id == drained));
    }
    // Hosts of a schema without the table, or without the column, count by their claims.
    const auto statement = overdue(schema.name(), {leases.lease, leases.foreign}, {}, 1'000);
    CHECK(overdue_slice(schema.sql(statement.sql, statement.params), 1'000).rows.size() == 3);
    CHECK(silent > 0);
}

TEST_CASE("slices of a look go on where the last one stopped, and the last one says so") {
    TestSchema schema;
    for (int row = 0; row < 5; ++row) claimed(schema, dead, std::to_string(100 - row) + " seconds");
    claimed(schema, "parked", "2 minutes");
    schema.sql("update $schema.memory_jobs set claimed_at = now() - interval '3 minutes' where id % 2 = 0");
    std::set<std::int64_t> found;
    Cursor after;
    int slices = 0;
    for (bool more = true; more; ++slices) {
        REQUIRE(slices < 10);
        const auto statement = overdue(schema.name(), leases, after, 2);
        const auto slice = overdue_slice(schema.sql(statement.sql, statement.params), 2);
        for (const auto& row : slice.rows) CHECK(found.insert(row.id).second);
        more = slice.next.has_value();
        after = slice.next.value_or(Cursor{});
    }
    CHECK(found.size() == 5);
    CHECK(slices == 4);
}

TEST_CASE("a parked row that is known by its id comes back when it is due, and not before") {
    TestSchema schema;
    const auto due = claimed(schema, "parked", "60 seconds", 1),
               later = claimed(schema, "parked", "59 seconds"), taken = claimed(schema, dead, "2 minutes");
    const auto statement = unpark(schema.name(), std::vector{due, later, taken});
    const auto rows = returned(schema.sql(statement.sql, statement.params));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].id == due);
    CHECK(state(schema, later) == "claimed/parked/0/-");
    CHECK(state(schema, taken) == "claimed/" + dead + "/0/-");
}

TEST_CASE("rows that wait for a backend come back before they are due, slice by slice, others do not") {
    TestSchema schema;
    std::vector<std::int64_t> waiting;
    for (int row = 0; row < 5; ++row) waiting.push_back(claimed(schema, "parked", "-1 hour"));
    schema.sql("update $schema.memory_jobs set failure_reason = 'waits for qdrant: refused'");
    const auto retried = claimed(schema, "parked", "-1 hour", 1);
    schema.sql("update $schema.memory_jobs set failure_reason = 'no facts' where id = $1",
               pg::Params().add(retried));
    std::size_t back = 0;
    Cursor after;
    int slices = 0;
    for (bool more = true; more; ++slices) {
        REQUIRE(slices < 10);
        const auto statement = unpark_waiting(schema.name(), "embed", after, 2);
        const auto slice = unparked(schema.sql(statement.sql, statement.params), 2);
        back += slice.rows.size();
        more = slice.next.has_value();
        after = slice.next.value_or(Cursor{});
    }
    CHECK(back == waiting.size());
    CHECK(state(schema, waiting.back()) == "pending/-/0/waits for qdrant: refused");
    CHECK(state(schema, retried) == "claimed/parked/1/no facts");
    const auto other = unpark_waiting(schema.name(), "extract", {}, 2);
    CHECK(unparked(schema.sql(other.sql, other.params), 2).rows.empty());
}
