#pragma once
// The queue as an operator mends it: retry and delete failed jobs, durably. Owns nothing. Thread safety:
// functions; one connection at a time. Failures: pg::Error; a row that is locked is tried again for some
// seconds first.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/inspect.hpp"

namespace memoir::queue {

// failed → pending with fresh attempts; its place in the queue stays. Nothing: no failed job of this id.
std::optional<JobRow> retry_job(pg::Connection& connection, const std::string& schema, std::int64_t id);
// Which failed jobs a retry of many is for.
struct Failed {
    std::optional<std::string> kind = {};
    std::optional<std::vector<std::string>> reasons = {};  // exactly these; none: whatever they are
};
// The server's clock: jobs that fail after it are not among those that a retry of many began with.
std::string retry_begins(pg::Connection& connection);
// At most `limit` of those that failed before `begun`, the oldest first; those that an agent deletes at this
// moment are passed over. Returns how many.
std::int64_t retry_some(pg::Connection& connection, const std::string& schema, const Failed& which,
                        const std::string& begun, std::int64_t limit);
// How many have failed since; at most `cap`.
std::int64_t failed_since(pg::Connection& connection, const std::string& schema, const Failed& which,
                          const std::string& begun, std::int64_t cap);
// All of them, a thousand a transaction, so that no lock is held for long. Returns how many; a dry run only
// counts.
std::int64_t retry_all(pg::Connection& connection, const std::string& schema, const Failed& which,
                       bool dry_run);

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
