#pragma once
// graph_triple_staging: triples on their way into the graph, one row a source, the durable intent behind a
// synthesize job. Thread safety: functions; one connection at a time.

#include <optional>
#include <string>
#include <vector>

#include "memory/memory.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

// Whether any source has staged triples.
bool any_staged(pg::Connection& connection, const std::string& schema);

struct Staged {
    std::string triples;  // JSON as it stands there
    std::string version;  // xmin
};
std::optional<Staged> staged(pg::Connection& connection, const std::string& schema,
                             const std::string& source_pid);

// Replaces what was staged for the source; deferred. The caller holds the source's lock.
void stage(pg::Transaction& transaction, const std::string& schema, const std::string& source_pid,
           const std::string& triples);

// Deletes the row that was read. False: there is another one by now, which is nobody's yet.
bool clear_staged(pg::Transaction& transaction, const std::string& schema, const std::string& source_pid,
                  const std::string& version);

// Of the next `limit` staged sources after `after`, in the order of their pids, those whose triples have
// waited for over a minute with no job in any state that would end in a synthesize.
struct Stranded {
    std::vector<std::string> pids;
    std::optional<std::string> next;  // where the next slice begins; nothing: it was the last one
};
Stranded stranded(pg::Connection& connection, const std::string& schema, const std::string& after, int limit);

// When what the memory says was so: event_at, else created_at, UTC, "2026-11-23T07:00:57.435669". Empty for a
// date that is no date (infinity).
std::string moment(pg::Connection& connection, const std::string& schema, const std::string& pid);

// Contents of the source's active semantic memories, each cut to `limit` characters.
std::vector<std::string> active_facts(pg::Connection& connection, const std::string& schema,
                                      const std::string& source_pid, int limit);

}  // namespace memoir::memory
