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

}  // namespace

pg::Statement claim(const std::string& schema, const std::string& claimed_by, const std::string& kind,
                    const Position& after, int limit, bool indexed) {
    const std::string from = "select ctid from " + pg::qualified(schema, "memory_jobs") +
                             " where kind = $2 and state = 'pending' and not " + is_suspect("memory_jobs");
    pg::Statement statement;
    statement.params.add(claimed_by).add(kind).add(limit);
    statement.in_order = true;
    if (indexed) {
        statement.repeated = true;
        // The row comparison with both columns in the order: with created_at alone the planner left the index
        // under stale statistics and for bulk inserts of one timestamp.
        statement.params.add(timestamp(after.created_us)).add(after.id);
        statement.sql = take(schema, from +
                                         " and (created_at, id) > ($4::timestamptz, $5::bigint) order by "
                                         "created_at, id limit $3 for update skip locked");
    } else {
        statement.sql = take(schema, from + " order by created_at limit $3 for update skip locked");
    }
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
