#pragma once
// Claims whose holder is gone: SQL of recovery. Rows of a dead memoird count an attempt and become suspects;
// rows of another worker go back without one; parked rows come back when they are due. Thread safety: pure
// functions.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

// Back to pending: where a loop finds it.
struct Returned {
    std::int64_t id;
    std::string kind;
    Position position;
};
std::vector<Returned> returned(const pg::Result& result);  // rows of id, kind, position

// Parked rows that are due, in one statement that tests the time in SQL: no second look, no attempt. And due
// or not, those of the kinds `served` that only waited for a backend.
pg::Statement unpark(const std::string& schema, std::span<const std::string> served = {});

// A claim past its lease, as seen by a first look. The second look's statements match all of it.
struct Overdue {
    std::int64_t id;
    std::string kind;
    std::string source_pid;
    std::optional<std::string> claimed_by;  // nullopt: null; some workers write none
    std::int64_t claimed_us;
    int attempts;
    bool memoird() const;  // its holder was a memoird
    bool operator==(const Overdue&) const = default;
};
pg::Statement overdue(const std::string& schema, Milliseconds lease, Milliseconds foreign_lease);
std::vector<Overdue> overdue_rows(const pg::Result& result);

// Dead memoirds' rows back to pending, one attempt each, marked as suspects. Returns returned() columns.
pg::Statement recover_dead(const std::string& schema, std::span<const Overdue> rows);
// Other workers' rows back to pending, no attempt. Returns returned() columns.
pg::Statement recover_foreign(const std::string& schema, std::span<const Overdue> rows);
// A dead memoird's row that has no attempt left. Returns the id. Durable; the caller holds the memory's lock
// and applies the kind's final effects in the same transaction.
pg::Statement bury(const std::string& schema, const Overdue& row);

}  // namespace memoir::queue
