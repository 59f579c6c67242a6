// What the server does for the statements that every job pays for. Behind many dead claims, with a snapshot
// held that keeps them from being vacuumed, none may read them: what a statement reads is counted in pages,
// which unlike time no other load changes.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "queue/keep.hpp"
#include "queue/recover.hpp"
#include "queue/settle.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using namespace memoir::queue;
using test::TestSchema;

namespace {

constexpr int dead_claims = 20'000, batch = 8;
const std::string process = "memoird/h:1:n/", me = process + "embed.0.1";

// Pages that a plan and all below it touched; `indexes` gets the names of those that it scans.
std::int64_t pages(const nlohmann::json& plan, std::vector<std::string>& indexes) {
    if (plan.contains("Index Name")) indexes.push_back(plan["Index Name"]);
    if (plan["Node Type"] == "Seq Scan") indexes.push_back("sequential");
    for (const auto& child : plan.value("Plans", nlohmann::json::array())) pages(child, indexes);
    return plan["Shared Hit Blocks"].get<std::int64_t>() + plan["Shared Read Blocks"].get<std::int64_t>();
}

// Runs the statement and takes it back.
struct Cost {
    std::int64_t pages = 0;
    std::vector<std::string> indexes;
};
Cost cost(pg::Connection& connection, const pg::Statement& statement) {
    connection.exec("begin");
    const auto result =
        connection.exec("explain (analyze, buffers, format json) " + statement.sql, statement.params);
    connection.exec("rollback");
    const auto plan = nlohmann::json::parse(result.string(0, 0))[0]["Plan"];
    Cost found;
    found.pages = pages(plan, found.indexes);
    return found;
}

// A queue through which many jobs went since the oldest transaction began, and a batch of ours in it.
class BusyQueue {
  public:
    BusyQueue() : snapshot_(schema.connect()) {
        schema.sql("alter table $schema.memory_jobs set (autovacuum_enabled = false)");
        const auto pid = schema.memory("a");
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select $1, 'embed' from generate_series(1, "
            "1000)",
            pg::Params().add(pid));
        schema.sql("vacuum analyze $schema.memory_jobs");
        snapshot_->exec("begin isolation level repeatable read");
        snapshot_->exec("select count(*) from \"" + schema.name() + "\".memory_jobs");
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind, state, claimed_at, claimed_by) select $1, "
            "'embed', 'claimed', clock_timestamp(), 'memoird/h:2:m/embed.0.' || n from generate_series(1, "
            "$2::integer) n",
            pg::Params().add(pid).add(dead_claims));
        schema.sql("delete from $schema.memory_jobs where state = 'claimed'");
        for (int job = 0; job < batch; ++job) {
            const auto id = schema.job(pid, "embed");
            schema.sql(
                "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp() - interval "
                "'2 minutes', claimed_by = $2 where id = $1",
                pg::Params().add(id).add(me));
            fences.push_back({id, me});
        }
    }

    TestSchema schema;
    std::vector<Fence> fences;

  private:
    std::unique_ptr<pg::Connection> snapshot_;
};

std::vector<std::pair<std::string, pg::Statement>> settles(const std::string& schema,
                                                           const std::vector<Fence>& fences) {
    std::vector<Park> parks;
    std::vector<Fail> fails;
    std::vector<std::int64_t> ids;
    auto two_claims = fences;
    two_claims.front().claimed_by += "0";
    for (const auto& fence : fences) {
        parks.push_back({fence, Milliseconds(1'000), 1, "r"});
        fails.push_back({fence, "r"});
        ids.push_back(fence.id);
    }
    return {{"remove", remove(schema, fences, Commit::asynchronous)},
            {"remove of two claims", remove(schema, two_claims, Commit::asynchronous)},
            {"remove under the memory's lock", remove_locked(schema, fences)},
            {"park", park(schema, parks)},
            {"fail", fail(schema, fails)},
            {"release", release(schema, fences)},
            {"checkpoint", checkpoint(schema, fences.front(), "{}", R"({"step": 1})")},
            {"look", look(schema, ids, "")},
            {"renew", renew(schema, process, ids)}};
}

}  // namespace

TEST_CASE("no settle reads what was claimed and done before it, whatever the statistics say") {
    BusyQueue queue;
    const auto connection = queue.schema.connect();
    for (const bool analyzed : {false, true}) {
        if (analyzed) queue.schema.sql("analyze $schema.memory_jobs");
        for (const auto& [name, statement] : settles(queue.schema.name(), queue.fences)) {
            CAPTURE(name, analyzed);
            const auto found = cost(*connection, statement);
            for (const auto& index : found.indexes) CHECK(index == "memory_jobs_pkey");
            // A row costs a page of the index for each of its levels, one of the table, and when it is
            // written as many for each of the indexes. The dead claims lie on hundreds.
            CHECK(found.pages < 40 * batch);
        }
    }
}

TEST_CASE("nothing that recovery does to a row reads the claims that others hold or held") {
    BusyQueue queue;
    const auto connection = queue.schema.connect();
    std::vector<Overdue> rows;
    for (const auto& fence : queue.fences)
        rows.push_back({fence.id, "embed", "p", fence.claimed_by,
                        queue.schema.number("select (extract(epoch from claimed_at) * 1000000)::bigint from "
                                            "$schema.memory_jobs where id = $1",
                                            pg::Params().add(fence.id)),
                        0});
    const auto name = queue.schema.name();
    for (const bool analyzed : {false, true}) {
        if (analyzed) queue.schema.sql("analyze $schema.memory_jobs");
        for (const auto& statement : {recover_dead(name, rows), recover_unharmed(name, rows)}) {
            CAPTURE(statement.sql, analyzed);
            const auto found = cost(*connection, statement);
            for (const auto& index : found.indexes) CHECK(index == "memory_jobs_pkey");
            CHECK(found.pages < 40 * batch);
        }
    }
}
