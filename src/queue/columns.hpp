#pragma once
// SQL fragments that several statements of this folder share. Thread safety: pure functions.

#include <cstdint>
#include <string>

namespace memoir::queue {

// True for rows whose last holder died.
std::string is_suspect(const std::string& alias);

// state = 'claimed' in a form that no index serves. Where a row is known by its id, the index of the claimed
// rows must not be an alternative: the planner expects next to nothing in it, and behind a long transaction
// it holds every claim since the last vacuum.
std::string is_claimed(const std::string& alias);

// A timestamptz column as bigint microseconds; ±infinity as the ends of the range.
std::string position_us(const std::string& column);

// The same the other way, as text for $n::timestamptz, readable under any DateStyle.
std::string timestamp(std::int64_t us);

// An item for FROM that turns synchronous_commit off for this transaction only. In a CTE that nothing reads
// it would never run.
std::string asynchronous_commit();

// The same as a condition: evaluated once, whether or not there are rows. Without a join there is less to
// plan.
std::string committing_asynchronously();

// A condition for the rows that `chosen`, a select of ctid, found and locked. It runs once, before the rest,
// and spares a second way through an index. Of a row that changed between the statement's beginning and its
// lock this sees nothing: it stays as it is, and the next look finds it.
std::string locked_rows(const std::string& alias, const std::string& chosen);

}  // namespace memoir::queue
