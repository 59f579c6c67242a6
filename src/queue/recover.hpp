#pragma once
// Claims whose holder is gone: SQL of recovery. Rows of a dead memoird count an attempt and become suspects;
// rows of another worker, and of a memoird that died while it drained, go back without one; parked rows come
// back when they are due. Each statement is one slice of at most `limit` rows, found by an index whatever
// else the queue holds. Thread safety: pure functions.

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

// Parked rows that are due, in one statement that tests the time in SQL: no second look, no attempt.
pg::Statement unpark(const std::string& schema, int limit);
// The same of these alone.
pg::Statement unpark(const std::string& schema, std::span<const std::int64_t> ids);

// Where a slice begins: after the row of this claimed_at and id.
struct Cursor {
    std::int64_t claimed_us = INT64_MIN;
    std::int64_t id = 0;
    friend bool operator==(const Cursor&, const Cursor&) = default;
};

// Due or not, the rows of a kind that only wait for a backend, of the next `limit` parked ones after `after`.
pg::Statement unpark_waiting(const std::string& schema, const std::string& kind, const Cursor& after,
                             int limit);
struct Unparked {
    std::vector<Returned> rows;
    std::optional<Cursor> next;  // where the next slice begins; nullopt: it was the last one
};
Unparked unparked(const pg::Result& result, int limit);

// A claim past its lease, as seen by a first look. The second look's statements match all of it.
struct Overdue {
    std::int64_t id;
    std::string kind;
    std::string source_pid;
    std::optional<std::string> claimed_by;  // nullopt: null; some workers write none
    std::int64_t claimed_us;
    int attempts;
    bool drained = false;  // its holder had said that it drains
    bool memoird() const;  // its holder was a memoird
    bool operator==(const Overdue&) const = default;
};
// What a look needs to know.
struct Leases {
    Milliseconds lease, foreign;
    bool hosts = false;     // the table memoird_hosts is there: a process that shows itself there lives
    bool draining = false;  // and its column draining_since
};
pg::Statement overdue(const std::string& schema, const Leases& leases, const Cursor& after, int limit);
struct OverdueSlice {
    std::vector<Overdue> rows;
    std::optional<Cursor> next;
};
OverdueSlice overdue_slice(const pg::Result& result, int limit);

// Dead memoirds' rows back to pending, one attempt each, marked as suspects. Returns returned() columns.
pg::Statement recover_dead(const std::string& schema, std::span<const Overdue> rows);
// Others back to pending, no attempt. Returns returned() columns.
pg::Statement recover_unharmed(const std::string& schema, std::span<const Overdue> rows);
// Dead memoirds' rows that have no attempt left. Returns the ids. The caller holds the memories' locks and
// applies the kind's final effects in the same durable transaction.
pg::Statement bury(const std::string& schema, std::span<const Overdue> rows);

}  // namespace memoir::queue
