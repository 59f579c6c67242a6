#pragma once
// Giving work back: SQL of the ends and steps of a claim. Every statement is fenced by id, state = 'claimed'
// and claimed_by, so that a holder that lost its claim changes nothing, and passes over rows that somebody
// has locked (an agent's DELETE cascading into the queue): waiting for one while holding another is how
// deadlocks begin. Passed-over rows are simply not returned; look() tells them from lost ones. The rows of
// one call may be of several claims. Thread safety: pure functions.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

// A claimed row as the fence sees it.
struct Fence {
    std::int64_t id;
    std::string claimed_by;
};

enum class Commit { durable, asynchronous };

// Deletes the rows; returns the ids of those that were still ours.
pg::Statement remove(const std::string& schema, std::span<const Fence> rows, Commit commit);
// The same where the caller holds the rows' memories locked: nobody can be cascading into them, so that it
// waits (at most lock_timeout) instead of passing over. What it does not return is lost.
pg::Statement remove_locked(const std::string& schema, std::span<const Fence> rows);

struct Park {
    Fence row;
    Milliseconds delay;  // from now until it is pending again
    int attempts;        // added: 1 for a retry, 0 for an outage
    std::string reason;  // failure_reason
};
// The rows wait, claimed by exactly `parked`, until their due time. Returns ids. Asynchronous. Where no
// attempt is added a suspect stays one.
pg::Statement park(const std::string& schema, std::span<const Park> rows);

struct Fail {
    Fence row;
    std::string reason;
};
// state = failed, one attempt added. Returns ids. Durable.
pg::Statement fail(const std::string& schema, std::span<const Fail> rows);

// Back to pending, no attempt. Returns id and place in the order. Asynchronous.
pg::Statement release(const std::string& schema, std::span<const Fence> rows);

// Replaces the payload `before` by another one; the claim goes on. Returns the id. The caller holds the
// memory locked, so that it waits instead of passing over; and as only what was there is replaced, an earlier
// try whose commit came late is not repeated: look() tells.
pg::Statement checkpoint(const std::string& schema, const Fence& row, const std::string& before,
                         const std::string& payload);

// What stands in the table for these ids now.
struct Seen {
    std::int64_t id;
    std::string state;
    std::string claimed_by;  // empty: null
    bool payload_matches;    // equals the payload asked about
};
// `payload`: of a checkpoint whose outcome is unknown; else empty.
pg::Statement look(const std::string& schema, std::span<const std::int64_t> ids, const std::string& payload);
std::vector<Seen> seen(const pg::Result& result);

// What an unknown commit outcome turns out to have been.
enum class Meant { remove, park, release, fail, checkpoint };
enum class CommitFate {
    again,  // still ours: nothing of it stands
    done,   // it stands
    lost,   // there, but somebody else's
    over,   // gone: it stands, or its memory was deleted; never counted as a success
};
// Pure. `row`: nullopt when it is gone.
CommitFate resolve(Meant meant, const std::string& claimed_by, const std::optional<Seen>& row);

}  // namespace memoir::queue
