#pragma once
// Keeping claims: SQL of the heartbeat. `process` is the common prefix of this process's claims,
// "memoird/host:pid:nonce/". What a heartbeat costs depends on what this process holds, and not on what
// others hold. Thread safety: pure functions.

#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"
#include "queue/job.hpp"
#include "queue/settle.hpp"

namespace memoir::queue {

// Renews those of `ids` that this process holds; a row that somebody has locked just now is passed over: one
// locked row must not stop all heartbeats, and the next one comes well inside the lease. Returns fences() of
// all that it holds, locked ones included. Asynchronous.
pg::Statement renew(const std::string& schema, const std::string& process, std::span<const std::int64_t> ids);

// All rows of this process, which began at most `age` ago, read plainly. It reads what others hold, too: for
// the end of a process.
pg::Statement held(const std::string& schema, const std::string& process, Milliseconds age);

// Of those at most `limit` that were not renewed for `unrenewed`: rows that nobody here knows of.
pg::Statement strays(const std::string& schema, const std::string& process, Milliseconds unrenewed,
                     Milliseconds age, int limit);

std::vector<Fence> fences(const pg::Result& result);

}  // namespace memoir::queue
