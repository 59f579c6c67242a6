#include "memory/remember.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "memory/summary.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using memory::NewMemory;
using test::TestSchema;

namespace {

std::vector<std::string> store(TestSchema& schema, const std::vector<NewMemory>& memories,
                               const memory::Enqueue& enqueue = {}) {
    const auto connection = schema.connect();
    pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
    auto pids = memory::remember(transaction, schema.name(), memories, enqueue);
    transaction.commit();
    return pids;
}

}  // namespace

TEST_CASE("stores a memory as the library's writers do, with its embed job") {
    TestSchema schema;
    const auto pids =
        store(schema, {{"a", "o", "u", "Grüße, 世界", R"({"k": [1, null]})", "2026-05-21T23:30:00Z"}});
    REQUIRE(pids.size() == 1);
    CHECK(pids[0].size() == 21);
    const auto row = schema.sql(
        "select pid, agent_id, org_id, user_id, content, metadata::text, kind, qdrant_status, confidence, "
        "source_pid, superseded_by, category, retirement_reason, event_at = '2026-05-21 23:30:00+00', "
        "created_at = updated_at and created_at <= clock_timestamp() from $schema.memories");
    REQUIRE(row.rows() == 1);
    const std::vector<std::string> expected{
        pids[0], "a", "o", "u", "Grüße, 世界", R"({"k": [1, null]})", "episodic", "pending", "100", "", "",
        "",      "",  "t", "t"};
    for (int column = 0; column < 15; ++column)
        CHECK(row.string(0, column) == expected[static_cast<std::size_t>(column)]);
    const auto job =
        schema.sql("select source_pid, kind, state, payload::text, attempts from $schema.memory_jobs");
    REQUIRE(job.rows() == 1);
    CHECK(job.string(0, 0) == pids[0]);
    CHECK(job.string(0, 1) == "embed");
    CHECK(job.string(0, 2) == "pending");
    CHECK(job.string(0, 3) == R"({"origin": "remember"})");
    CHECK(job.integer(0, 4) == 0);
}

TEST_CASE("enqueues what the configuration of this writer asks for") {
    const auto [enqueue, kinds] =
        GENERATE(table<memory::Enqueue, std::string>({{{false, false}, "embed"},
                                                      {{true, false}, "embed extract"},
                                                      {{false, true}, "embed relational_extract"},
                                                      {{true, true}, "embed extract relational_extract"}}));
    TestSchema schema;
    store(schema, {{"a", "o", "u", "said"}}, enqueue);
    CHECK(schema.value("select string_agg(kind, ' ' order by id) from $schema.memory_jobs where payload = "
                       "'{\"origin\": \"remember\"}'") == kinds);
}

TEST_CASE("gives each of many rows its own time, in their order") {
    TestSchema schema;
    std::vector<NewMemory> memories;
    for (int i = 0; i < 2'000; ++i) memories.push_back({"a", "o", "u", std::to_string(i)});
    const auto pids = store(schema, memories);
    CHECK(std::set(pids.begin(), pids.end()).size() == 2'000);
    CHECK(schema.number("select count(distinct created_at) from $schema.memories") == 2'000);
    CHECK(schema.number(
              "select count(*) from (select content::int as c, row_number() over (order by created_at) - 1 "
              "as n from $schema.memories) x where c <> n") == 0);
    CHECK(schema.number(
              "select count(*) from (select m.content::int as c, row_number() over (order by j.created_at) - "
              "1 as n from $schema.memory_jobs j join $schema.memories m on m.pid = j.source_pid) x "
              "where c <> n") == 0);
    CHECK(schema.value("select content from $schema.memories where pid = $1",
                       pg::Params().add(pids[1'234])) == "1234");
}

TEST_CASE("refuses text that no row can hold instead of cutting it") {
    TestSchema schema;
    CHECK_THROWS_AS(store(schema, {{"a", "o", "u", std::string("before\0after", 12)}}),
                    std::invalid_argument);
    CHECK_THROWS_AS(store(schema, {{"a", "o", "u", "\xff"}}), pg::Error);
    CHECK_THROWS_AS(store(schema, {{"a", "o", "u", "said", "no json"}}), pg::Error);
    CHECK(schema.number("select count(*) from $schema.memories") == 0);
    CHECK(store(schema, {}).empty());
}

TEST_CASE("shows active memories of the scope, content only when asked") {
    TestSchema schema;
    const auto pids = store(schema, {{"a", "o", "u", "héllo"},
                                     {"a", "o", "other", "said"},
                                     {"a", "o", "u", "old"},
                                     {"a", "o", "u", "wrong"}});
    schema.sql("update $schema.memories set superseded_by = $1 where pid = $2",
               pg::Params().add(pids[0]).add(pids[2]));
    schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
               pg::Params().add(pids[3]));
    const auto connection = schema.connect();
    auto rows = memory::summaries(*connection, schema.name(), {"a", "o", "u"}, pids, false);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].pid == pids[0]);
    CHECK(rows[0].length == 5);
    CHECK_FALSE(rows[0].content);
    rows = memory::summaries(*connection, schema.name(), {"a", {}, "u"}, pids, true);
    CHECK(rows[0].content == "héllo");
    CHECK(rows[0].agent_id == "a");
    CHECK(memory::summaries(*connection, schema.name(), {{}, {}, "other"}, pids, false).size() == 1);
    CHECK(memory::summaries(*connection, schema.name(), {"b", {}, {}}, pids, false).empty());
}
