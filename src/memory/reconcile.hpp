#pragma once
// What the stores have of each other, for an operator who puts them right: memories without a vector, vectors
// without a memory, scopes whose graph is to be built again, and what became of extracted facts. Thread
// safety: functions; one connection at a time.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "memory/memory.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

// Memories that are to have a point, have none by their qdrant_status, and have no embed job that would write
// it; with `failed` those whose embedding failed for good, too. In the order of their pids, after `after`, at
// most `limit`.
std::vector<std::string> without_vector(pg::Connection& connection, const std::string& schema, bool failed,
                                        const std::string& after, int limit);

// Those whose embedding failed for good, at most `limit`.
std::int64_t failed_vectors(pg::Connection& connection, const std::string& schema, std::int64_t limit);

// Deletes the failed embed jobs of these memories: new ones do what they were for. Returns how many.
std::int64_t forget_failed_embeds(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const std::string> pids);

// Which of these have no memory, or a retired one: their points are to go.
std::vector<std::string> without_memory(pg::Connection& connection, const std::string& schema,
                                        std::span<const std::string> pids);

struct Rebuild {
    std::int64_t enqueued = 0;  // relational_extract jobs
    std::int64_t retried = 0;   // failed jobs of the graph: they would have held the fan-in back
    std::int64_t blocked =
        0;  // sources whose extract has failed and holds it back: paid work, not retried here
};
// A relational_extract job for each active episodic memory of the scope that has none, newest first as the
// library does it; a failed one is retried instead, and so is a failed synthesize. `dry_run` only counts.
Rebuild rebuild_graph(pg::Connection& connection, const std::string& schema, const Scope& scope,
                      bool dry_run);

// Facts by the model that extracted them.
struct ExtractionStats {
    std::string provider, model;
    std::int64_t facts = 0, rejected = 0, stale = 0;
};
std::vector<ExtractionStats> extraction_stats(pg::Connection& connection, const std::string& schema,
                                              const ScopeFilter& filter);

}  // namespace memoir::memory
