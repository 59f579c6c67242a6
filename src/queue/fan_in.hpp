#pragma once
// The fan-in: when a source has no extract, relational_extract or synthesize row left, in any state, one
// synthesize is enqueued. Exactly once, also when two siblings finish at the same instant: the caller holds
// the source rows' locks (memory::lock), has deleted its own job in the same READ COMMITTED transaction, and
// only then looks, in a statement of its own. Thread safety: functions over the caller's transaction.

#include <span>
#include <string>

#include "pg/connection.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

// One row, with the source's pid, for each synthesize job that it enqueues. A source that no longer exists
// gets none.
pg::Statement fan_in(const std::string& schema, std::span<const std::string> source_pids);
// Runs it. Returns how many were enqueued.
int enqueue_synthesize(pg::Transaction& transaction, const std::string& schema,
                       std::span<const std::string> source_pids);

// Deletes the source's extract rows, in whatever state, that were enqueued before `than`: a correction that
// found nothing to say leaves no row that would tell them so. Whoever holds one of them loses its claim.
void remove_older_extracts(pg::Transaction& transaction, const std::string& schema,
                           const std::string& source_pid, const Position& than);

}  // namespace memoir::queue
