#pragma once
// Keeping claims: SQL of the heartbeat. `process` is the common prefix of this process's claims,
// "memoird/host:pid:nonce/". Thread safety: pure functions.

#include <span>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/job.hpp"
#include "queue/settle.hpp"

namespace memoir::queue {

// Renews what this process holds; a row that somebody has locked just now is passed over: one locked row must
// not stop all heartbeats, and the next one comes well inside the lease. Asynchronous.
pg::Statement renew(const std::string& schema, const std::string& process, std::span<const std::int64_t> ids);

// All rows of this process, read plainly: locked ones included.
pg::Statement held(const std::string& schema, const std::string& process);
std::vector<Fence> fences(const pg::Result& result);

}  // namespace memoir::queue
