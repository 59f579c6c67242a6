#pragma once
// The tables of docs/contract.md, "PostgreSQL", and what memoird adds: what is there, what is missing, how to
// create and remove it. Thread safety: functions; one connection at a time.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "pg/connection.hpp"

namespace memoir::schema {

// What of ours is there (and, for indexes, valid). Without them memoird works, more slowly or with less.
struct Additions {
    bool pending_index = false;  // (kind, created_at, id) where pending: cheap claims
    bool source_index = false;   // (source_pid): fan-in and cascades without scanning the queue
    bool failed_index = false;   // (kind, updated_at) where failed
    bool parked_index = false;   // (kind, claimed_at) where parked
    bool user_index = false;     // of memories: (user_id, agent_id, org_id)
    bool vectors = false, replies = false, pauses = false, hosts = false;  // tables memoird_…
    bool duties = false, settings = false;
    bool draining_since = false;  // column of memoird_hosts
    bool notify = false;          // the insert trigger
    bool notify_serial = false;   // it is 0.1.0's: with it the commits of all that insert wait for each other
    std::optional<int> lowest_protocol{};  // that may run here, as memoird_settings says
};

// What a process of this version knows to respect of its peers. 1: each row is renewed by its holder, as
// 0.1.0 does. 2: the row in memoird_hosts may be the lease of all that carry its nonce.
inline constexpr int protocol = 2;

// Compares the fixed part with docs/contract.md, "PostgreSQL". Throws StartError naming the schema, table,
// column or privilege that is missing (a read-only role included), pg::Error when the database is away.
Additions check(pg::Connection& connection, const std::string& schema);

// Throws StartError where memoird_settings says that this release may not work beside the others.
void require_protocol(const Additions& additions);

// The first half of it alone: schema, tables, columns.
void check_columns(pg::Connection& connection, const std::string& schema);

// What each missing addition would gain, one line each, for the log and for `schema check`.
std::vector<std::string> advice(const Additions& additions);

struct ApplyOptions {
    bool notify = true;
    bool dry_run = false;
    Milliseconds lock_timeout{5'000};    // of one try to build or drop an index concurrently
    Milliseconds lock_patience{30'000};  // of all tries; then pg::Error(transaction) that says what to do
};

// Creates the whole schema and the ledger where the schema has no memories table, else only what is ours;
// idempotent. `say` gets one line a step (or, dry, the SQL that would run).
void apply(pg::Connection& connection, const std::string& schema, const ApplyOptions& options,
           const std::function<void(const std::string&)>& say);

// Takes what is ours away again; the fixed part stays.
void remove(pg::Connection& connection, const std::string& schema, const ApplyOptions& options,
            const std::function<void(const std::string&)>& say);

// The exact GRANT statements that the role of a daemon needs, or of a person who only looks.
enum class For { daemon, reading };
std::vector<std::string> grants(const std::string& schema, const std::string& role,
                                For purpose = For::daemon);

// What commands that only look need, and no more. Throws StartError as check() does.
void check_readable(pg::Connection& connection, const std::string& schema);
// What apply() and remove() need. Throws StartError naming what the role may not do.
void require_owner(pg::Connection& connection, const std::string& schema);

// The library's schema alone, as its migrations leave it, ledger included. For apply() and tests.
std::vector<std::string> contract_ddl(const std::string& schema);

// Channel of the insert trigger: `memoird_SCHEMA`, payload: the kind.
std::string channel(const std::string& schema);

}  // namespace memoir::schema
