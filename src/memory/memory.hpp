#pragma once
// Rows of `memories`: read, locked for a settle, and the few columns that a worker writes. Locks are always
// taken here first, before memory_jobs. Thread safety: functions; one connection at a time.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/scope.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

struct Memory {
    std::string pid;
    Scope scope;
    std::string kind;      // episodic, semantic
    std::string content;   // what a person said: never logged
    std::string metadata;  // jsonb as text; cut where it was loaded with a limit
    std::string qdrant_status;
    std::int64_t created_at_ms = 0;  // since the epoch, rounded down; ±infinity: the ends of Postgres's range
    std::optional<std::int64_t> event_at_ms;
    int confidence = 100;
    std::optional<std::string> category;
    std::optional<std::string> source_pid;
    bool superseded = false;
    bool retired = false;
    std::string version;  // xmin: another value means that somebody wrote the row
    bool active() const { return !superseded && !retired; }
};

// The rows that exist, in no particular order. Of each content and each metadata at most so many characters
// leave the database: one row may hold a gigabyte.
std::vector<Memory> load(pg::Connection& connection, const std::string& schema,
                         std::span<const std::string> pids, int content_limit, int metadata_limit = 0);

// The same for a round trip of several statements.
pg::Statement load_statement(const std::string& schema, std::span<const std::string> pids, int content_limit,
                             int metadata_limit = 0);
std::vector<Memory> loaded(const pg::Result& result);

// Locks the rows for no key update, in the order of their pids, passing over those that somebody has locked:
// a settle that waited here while it holds another could deadlock with an agent, and Postgres would pick the
// agent as the victim. Collides neither with inserts of jobs nor with new facts of the row.
struct Locked {
    std::string pid;
    std::string version;
    bool retired;
};
std::vector<Locked> lock(pg::Transaction& transaction, const std::string& schema,
                         std::span<const std::string> pids);

// Which of these exist, read plainly: tells what lock() passed over from what is gone.
std::vector<std::string> existing(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const std::string> pids);

// The caller holds the rows' locks. `status`: indexed, failed, pending.
void set_index_status(pg::Transaction& transaction, const std::string& schema,
                      std::span<const std::string> pids, const std::string& status);

// For memories whose point may not be what the row says any more: says `pending` and enqueues an embed job,
// as an edit does, for each that exists and is not retired, and returns the pids of the others, whose points
// are to be removed. The status makes another version of the row: a categorize beside that job sees it.
std::vector<std::string> reindex(pg::Transaction& transaction, const std::string& schema,
                                 std::span<const std::string> pids);

}  // namespace memoir::memory
