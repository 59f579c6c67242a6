#include "queue/claim.hpp"

#include <algorithm>

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {

// How many of a kind's oldest rows a claim of a suspect looks at. Bounds its cost behind a long backlog; the
// ordinary claims drain what stands before a suspect.
constexpr const char* suspect_window = "1000";

std::string returned_columns() {
    return " j.id, j.source_pid, j.kind, j.payload::text, j.attempts, " + is_suspect("j") + ", " +
           position_us("j.created_at") +
           ", case when isfinite(j.created_at) then greatest(0, extract(epoch from clock_timestamp() - "
           "j.created_at) * 1000)::bigint else 0 end";
}

std::string take(const std::string& schema, const std::string& chosen) {
    return "update " + pg::qualified(schema, "memory_jobs") +
           " j set state = 'claimed', claimed_at = clock_timestamp(), claimed_by = $1 where " +
           committing_asynchronously() + " and " + locked_rows("j", chosen) + " returning" +
           returned_columns();
}

// The oldest pending rows of a kind, suspects passed over. Parameters from number `first` on: kind, limit,
// where `indexed` the position that they come after, and where `excepting` the ids left out.
std::string oldest(const std::string& schema, const char* column, int first, bool indexed, bool excepting) {
    const auto number = [&](int at) { return "$" + std::to_string(first + at); };
    auto sql = std::string("select ") + column + " from " + pg::qualified(schema, "memory_jobs") +
               " where kind = " + number(0) + " and state = 'pending' and not " + is_suspect("memory_jobs");
    // The row comparison with both columns in the order: with created_at alone the planner left the index
    // under stale statistics and for bulk inserts of one timestamp.
    if (indexed) sql += " and (created_at, id) > (" + number(2) + "::timestamptz, " + number(3) + "::bigint)";
    if (excepting) sql += " and id <> all(" + number(indexed ? 4 : 2) + "::bigint[])";
    return sql + (indexed ? " order by created_at, id" : " order by created_at") + " limit " + number(1) +
           " for update skip locked";
}

void add_bounds(pg::Statement& statement, const std::string& kind, const Position& after, int limit,
                bool indexed, std::span<const std::int64_t> except) {
    statement.params.add(kind).add(limit);
    if (indexed) statement.params.add(timestamp(after.created_us)).add(after.id);
    if (!except.empty()) statement.params.array(except);
    statement.in_order = true;
}

}  // namespace

pg::Statement claim(const std::string& schema, const std::string& claimed_by, const std::string& kind,
                    const Position& after, int limit, bool indexed, std::span<const std::int64_t> except) {
    pg::Statement statement;
    statement.params.add(claimed_by);
    add_bounds(statement, kind, after, limit, indexed, except);
    statement.repeated = indexed && except.empty();
    statement.sql = take(schema, oldest(schema, "ctid", 2, indexed, !except.empty()));
    return statement;
}

pg::Statement first_to_claim(const std::string& schema, const std::string& kind, const Position& after,
                             bool indexed, std::span<const std::int64_t> except) {
    pg::Statement statement;
    add_bounds(statement, kind, after, 1, indexed, except);
    statement.sql = oldest(schema, "id", 1, indexed, !except.empty());
    return statement;
}

pg::Statement claim_suspect(const std::string& schema, const std::string& claimed_by,
                            const std::string& kind) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.add(claimed_by).add(kind);
    statement.sql =
        take(schema,
             "select ctid from " + table + " where id in (select id from (select id, failure_reason from " +
                 table + " where kind = $2 and state = 'pending' order by created_at, id limit " +
                 suspect_window + ") w where " + is_suspect("w") + ") and state = 'pending' and " +
                 is_suspect("memory_jobs") + " order by created_at, id limit 1 for update skip locked");
    return statement;
}

pg::Statement adopt(const std::string& schema, const std::string& claimed_by) {
    pg::Statement statement;
    statement.params.add(claimed_by);
    statement.sql = "select" + returned_columns() + " from " + pg::qualified(schema, "memory_jobs") +
                    " j where j.state = 'claimed' and j.claimed_by = $1";
    return statement;
}

std::vector<Job> jobs(const pg::Result& result, const std::string& claimed_by) {
    std::vector<Job> jobs;
    jobs.reserve(static_cast<std::size_t>(result.rows()));
    for (int row = 0; row < result.rows(); ++row) {
        Job job;
        job.id = result.integer(row, 0);
        job.source_pid = result.string(row, 1);
        job.kind = result.string(row, 2);
        job.payload = result.string(row, 3);
        job.attempts = static_cast<int>(result.integer(row, 4));
        job.suspect = result.boolean(row, 5);
        job.position = {result.integer(row, 6), job.id};
        job.waited_ms = result.integer(row, 7);
        job.claimed_by = claimed_by;
        jobs.push_back(std::move(job));
    }
    // The order of RETURNING is not the order of the claim.
    std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.position < b.position; });
    return jobs;
}

}  // namespace memoir::queue
