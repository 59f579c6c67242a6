#pragma once
// The queue as an operator sees and mends it. Nothing here reads a payload or memory content. Ages are by the
// server's clock, in seconds. Thread safety: functions; one connection at a time. Errors: pg::Error.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg/connection.hpp"

namespace memoir::queue {

enum class JobState { pending, parked, claimed, failed };  // parked: claimed by exactly `parked`
std::string_view to_string(JobState state);
std::optional<JobState> parse_job_state(std::string_view text);

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

// How deep the queue is: one statement, cheap however large the queue, for status, metrics and the unit's
// STATUS line. Counts are exact up to `cap`; a row beyond it makes them cap.
struct Depth {
    std::string kind;
    std::int64_t pending = 0, parked = 0, claimed = 0, failed = 0;
    bool capped = false;             // there are more of one of the four
    std::optional<double> oldest{};  // age of the oldest pending row
    std::array<bool, 4> beyond{};    // by JobState: there are more

    std::int64_t count(JobState state) const;
    bool more(JobState state) const { return beyond.at(static_cast<std::size_t>(state)); }
};
// `indexed`: our indexes over pending and failed rows are there, and counting stops at the cap. Without them
// the table is read once.
inline constexpr std::int64_t depth_cap = 10'000;
pg::Statement depth_statement(const std::string& schema, bool indexed, std::int64_t cap = depth_cap);
std::vector<Depth> read_depths(const pg::Result& result, std::int64_t cap = depth_cap);

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

// Exact; state none: pending (as the library's count).
std::int64_t count_jobs(pg::Connection& connection, const std::string& schema, const JobFilter& filter);

// failed → pending with fresh attempts; its place in the queue stays. Nothing: no failed job of this id.
std::optional<JobRow> retry_job(pg::Connection& connection, const std::string& schema, std::int64_t id);
// All failed jobs (of a kind), a thousand a transaction, so that no lock is held for long; those that an
// agent deletes at this moment are passed over. Returns how many; a dry run only counts.
std::int64_t retry_all(pg::Connection& connection, const std::string& schema,
                       const std::optional<std::string>& kind, bool dry_run);

// Deletes one failed job. Through the fan-in for extract and relational_extract where `graph` says that a
// graph is configured here or elsewhere in the fleet; a synthesize job takes its staged triples with it, or
// the repair sweep would bring it back. Nothing: no failed job of this id.
struct Deleted {
    JobRow job;
    bool synthesize_enqueued = false;
};
std::optional<Deleted> delete_job(pg::Connection& connection, const std::string& schema, std::int64_t id,
                                  bool graph);

}  // namespace memoir::queue
