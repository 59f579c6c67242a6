#pragma once
// The fan-in: when a source has no extract, relational_extract or synthesize row left, in any state, one
// synthesize is enqueued. Exactly once, also when two siblings finish at the same instant: the caller holds
// the source rows' locks (memory::lock), has deleted its own job in the same READ COMMITTED transaction, and
// only then looks, in a statement of its own. Thread safety: functions over the caller's transaction.

#include <span>
#include <string>

#include "pg/connection.hpp"

namespace memoir::queue {

// Returns how many synthesize jobs were enqueued. A source that no longer exists gets none.
int enqueue_synthesize(pg::Transaction& transaction, const std::string& schema,
                       std::span<const std::string> source_pids);

}  // namespace memoir::queue
