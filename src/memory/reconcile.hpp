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
// it; with `failed` those whose embedding failed for good, too. The oldest first, after `after`, at most
// `limit`.
std::vector<std::string> without_vector(pg::Connection& connection, const std::string& schema, bool failed,
                                        const std::string& after, int limit);

// Which of these have no memory, or a retired one: their points are to go.
std::vector<std::string> without_memory(pg::Connection& connection, const std::string& schema,
                                        std::span<const std::string> pids);

// A relational_extract job for each active episodic memory of the scope that has none, newest first as the
// library does it. Returns how many; `dry_run` only counts.
std::int64_t rebuild_graph(pg::Connection& connection, const std::string& schema, const Scope& scope,
                           bool dry_run);

// Facts by the model that extracted them.
struct ExtractionStats {
    std::string provider, model;
    std::int64_t facts = 0, rejected = 0, stale = 0;
};
// Empty members of `scope` are not compared.
std::vector<ExtractionStats> extraction_stats(pg::Connection& connection, const std::string& schema,
                                              const Scope& scope);

}  // namespace memoir::memory
