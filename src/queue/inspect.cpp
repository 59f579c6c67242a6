#include "queue/inspect.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "pg/name.hpp"
#include "queue/depth.hpp"
#include "queue/holder.hpp"
#include "queue/job.hpp"

namespace memoir::queue {
namespace {

std::vector<JobRow> read_jobs(const pg::Result& rows) {
    std::vector<JobRow> jobs;
    for (int row = 0; row < rows.rows(); ++row) jobs.push_back(read_job(rows, row));
    return jobs;
}

}  // namespace

bool JobRow::suspect() const {
    return state == JobState::pending && failure_reason && failure_reason->starts_with(suspect_prefix);
}

std::string job_columns() {
    const std::string time = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'";
    const std::string due = "(j.claimed_at + interval '" + std::to_string(parked_lease_seconds) + " s')";
    const auto seconds = [](const std::string& interval) {
        return "extract(epoch from " + interval + ")::double precision";
    };
    return "j.id, j.source_pid, j.kind, "
           "case when j.state = 'claimed' and j.claimed_by = 'parked' then 'parked' else j.state end, "
           "j.attempts, j.failure_reason, j.claimed_by, to_char(j.created_at at time zone 'UTC', " +
           time + "), to_char(j.updated_at at time zone 'UTC', " + time + "), " +
           seconds("clock_timestamp() - j.created_at") + ", " + seconds("clock_timestamp() - j.updated_at") +
           ", " + seconds("clock_timestamp() - j.claimed_at") + ", to_char(" + due + " at time zone 'UTC', " +
           time + "), " + seconds(due + " - clock_timestamp()");
}

JobRow read_job(const pg::Result& rows, int row) {
    JobRow job;
    job.id = rows.integer(row, 0);
    job.source_pid = rows.string(row, 1);
    job.kind = rows.string(row, 2);
    job.state = parse_job_state(rows.text(row, 3)).value_or(JobState::pending);
    job.attempts = static_cast<int>(rows.integer(row, 4));
    job.failure_reason = rows.optional(row, 5);
    job.claimed_by = rows.optional(row, 6);
    job.created_at = rows.string(row, 7);
    job.updated_at = rows.string(row, 8);
    job.age = rows.real(row, 9);
    job.unchanged_for = rows.real(row, 10);
    if (!rows.is_null(row, 11)) job.claimed_for = rows.real(row, 11);
    if (job.state == JobState::parked) {
        job.due_at = rows.optional(row, 12);
        if (!rows.is_null(row, 13)) job.due_in = rows.real(row, 13);
    }
    return job;
}

std::vector<JobRow> list_jobs(pg::Connection& connection, const std::string& schema,
                              const JobFilter& filter) {
    const std::string order =
        filter.state == JobState::failed ? "j.updated_at desc, j.id desc" : "j.created_at, j.id";
    return read_jobs(
        connection.exec("select " + job_columns() + " from " + pg::qualified(schema, "memory_jobs") +
                            " j where " + in_state(filter.state) +
                            " and ($1::text is null or j.kind = $1) order by " + order + " limit $2::bigint",
                        pg::Params().add(filter.kind).add(filter.limit)));
}

std::optional<JobRow> find_job(pg::Connection& connection, const std::string& schema, std::int64_t id) {
    const auto rows = connection.exec("select " + job_columns() + " from " +
                                          pg::qualified(schema, "memory_jobs") + " j where j.id = $1::bigint",
                                      pg::Params().add(id));
    if (rows.empty()) return std::nullopt;
    return read_job(rows, 0);
}

std::vector<JobRow> siblings(pg::Connection& connection, const std::string& schema, const JobRow& job) {
    return read_jobs(connection.exec(
        "select " + job_columns() + " from " + pg::qualified(schema, "memory_jobs") +
            " j where j.source_pid = $1 and j.id <> $2::bigint "
            "and j.kind in ('extract', 'relational_extract', 'synthesize') order by j.created_at, j.id",
        pg::Params().add(job.source_pid).add(job.id)));
}

std::int64_t ahead_of(pg::Connection& connection, const std::string& schema, const JobRow& job,
                      std::int64_t cap) {
    // Its own created_at is read again: the text of ours is rounded.
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memory_jobs") + " j, " +
                  pg::qualified(schema, "memory_jobs") +
                  " self where self.id = $1::bigint and j.state = 'pending' and j.kind = $2 "
                  "and (j.created_at, j.id) < (self.created_at, self.id) limit $3::bigint) ahead",
              pg::Params().add(job.id).add(job.kind).add(cap))
        .integer(0, 0);
}

std::vector<FailedAs> failed_by_reason(pg::Connection& connection, const std::string& schema,
                                       const std::optional<std::string>& kind) {
    const auto utc = [](const std::string& time) {
        return "to_char(" + time + " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    };
    const auto rows =
        connection.exec("select kind, coalesce(failure_reason, ''), count(*), " + utc("min(updated_at)") +
                            ", " + utc("max(updated_at)") + " from " + pg::qualified(schema, "memory_jobs") +
                            " where state = 'failed' and ($1::text is null or kind = $1) "
                            "group by 1, 2",
                        pg::Params().add(kind));
    std::vector<FailedAs> found;
    for (int row = 0; row < rows.rows(); ++row)
        found.push_back({rows.string(row, 0), rows.string(row, 1), rows.integer(row, 2), rows.string(row, 3),
                         rows.string(row, 4)});
    return found;
}

std::vector<Holding> holders(pg::Connection& connection, const std::string& schema) {
    // A claim has its own claimed_by; those of one process are put together here.
    const auto rows = connection.exec(
        "select coalesce(j.claimed_by, ''), j.kind, count(*), "
        "coalesce(max(extract(epoch from clock_timestamp() - j.claimed_at))::double precision, 0) from " +
        pg::qualified(schema, "memory_jobs") + " j where " + in_state(JobState::claimed) + " group by 1, 2");
    std::map<std::pair<std::string, std::string>, Holding> found;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto claimed_by = rows.string(row, 0);
        const auto holder = parse_holder(claimed_by);
        auto& held = found[{holder ? holder->nonce : claimed_by, rows.string(row, 1)}];
        if (holder) {
            held.holder = holder->host + ":" + std::to_string(holder->pid);
            held.nonce = holder->nonce;
        } else {
            held.holder = claimed_by.empty() ? "an unnamed worker" : claimed_by;
        }
        held.kind = rows.string(row, 1);
        held.rows += rows.integer(row, 2);
        held.longest = std::max(held.longest, rows.real(row, 3));
    }
    std::vector<Holding> list;
    for (auto& [key, held] : found) list.push_back(std::move(held));
    std::sort(list.begin(), list.end(), [](const Holding& a, const Holding& b) {
        return std::tie(a.holder, a.kind) < std::tie(b.holder, b.kind);
    });
    return list;
}

std::int64_t overdue_claims(pg::Connection& connection, const std::string& schema,
                            std::chrono::milliseconds lease, std::chrono::milliseconds foreign_lease) {
    const auto before = [](const char* parameter) {
        return std::string("claimed_at < clock_timestamp() - ") + parameter +
               "::bigint * interval '1 millisecond'";
    };
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memory_jobs") +
                  " where state = 'claimed' and case when claimed_by = 'parked' then " +
                  before("($1 + 60000)") + " when claimed_by like 'memoird/%' then " + before("$1") +
                  " else " + before("$2") + " end limit $3::bigint) j",
              pg::Params()
                  .add(static_cast<std::int64_t>(2 * lease.count()))
                  .add(static_cast<std::int64_t>(2 * foreign_lease.count()))
                  .add(depth_cap))
        .integer(0, 0);
}

std::int64_t count_jobs(pg::Connection& connection, const std::string& schema, const JobFilter& filter) {
    return connection
        .exec("select count(*) from " + pg::qualified(schema, "memory_jobs") + " j where " +
                  in_state(filter.state) + " and ($1::text is null or j.kind = $1)",
              pg::Params().add(filter.kind))
        .integer(0, 0);
}

}  // namespace memoir::queue
