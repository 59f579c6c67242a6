#pragma once
// The queue as an operator sees it: rows, who holds them, what waits before them. Never reads a payload or
// memory content. Ages are by the server's clock, in seconds. Owns nothing. Thread safety: functions; one
// connection at a time. Failures: pg::Error.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/job_state.hpp"

namespace memoir::queue {

struct JobRow {
    std::int64_t id = 0;
    std::string source_pid, kind;
    JobState state = JobState::pending;
    int attempts = 0;
    std::optional<std::string> failure_reason, claimed_by;
    std::string created_at, updated_at;  // RFC 3339, UTC
    double age = 0, unchanged_for = 0;   // since created_at, updated_at
    std::optional<double> claimed_for;   // since claimed_at; negative: in the future (parked)
    std::optional<std::string> due_at;   // parked only
    std::optional<double> due_in;        // parked only
    bool suspect() const;                // pending, and its last holder died
};

struct JobFilter {
    std::optional<JobState> state = JobState::failed;  // none: every state
    std::optional<std::string> kind = {};
    int limit = 50;
};
// Failed ones newest first (updated_at), the others oldest first (created_at).
std::vector<JobRow> list_jobs(pg::Connection& connection, const std::string& schema, const JobFilter& filter);
std::optional<JobRow> find_job(pg::Connection& connection, const std::string& schema, std::int64_t id);
// Rows of the same source in the fan-in's kinds, without the job itself.
std::vector<JobRow> siblings(pg::Connection& connection, const std::string& schema, const JobRow& job);
// Pending rows of its kind that a claim takes before it; at most `cap`.
std::int64_t ahead_of(pg::Connection& connection, const std::string& schema, const JobRow& job,
                      std::int64_t cap = 10'000);

// Exact; state none: pending (as the library's count).
std::int64_t count_jobs(pg::Connection& connection, const std::string& schema, const JobFilter& filter);

// Failed jobs by what failure_reason says, word for word.
struct FailedAs {
    std::string kind, reason;
    std::int64_t jobs = 0;
    std::string first, last;  // updated_at of the first and the last of them
};
std::vector<FailedAs> failed_by_reason(pg::Connection& connection, const std::string& schema,
                                       const std::optional<std::string>& kind);

// Who holds rows: one entry a process and kind; a worker that is no memoird is named by its whole claimed_by.
struct Holding {
    std::string holder;                // "host:pid", or what claimed_by says
    std::optional<std::string> nonce;  // a memoird's
    std::string kind;
    std::int64_t rows = 0;
    double longest = 0;  // since the last renewal of the row that waits longest
};
std::vector<Holding> holders(pg::Connection& connection, const std::string& schema);

// Claims whose lease ended so long ago that somebody should have taken them back: two leases, and as long for
// a parked row after it was due. At most depth_cap.
std::int64_t overdue_claims(pg::Connection& connection, const std::string& schema,
                            std::chrono::milliseconds lease, std::chrono::milliseconds foreign_lease);

// For statements that return a job's row `j`: its columns, without the payload, and what reads them.
std::string job_columns();
JobRow read_job(const pg::Result& rows, int row);

}  // namespace memoir::queue
