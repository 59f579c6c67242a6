#pragma once
// Taking work: SQL of the claim. A claim need not be durable: after a crash of the server the row is simply
// pending again, and the claim's owner, whose settle then matches no row, changes nothing. So it commits with
// synchronous_commit off. Thread safety: pure functions.

#include <span>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

// At most `limit` of the oldest pending rows of a kind past `after`, suspects passed over. `indexed`: the
// index (kind, created_at, id) is there; without it the order is created_at alone. `except`: rows left out.
pg::Statement claim(const std::string& schema, const std::string& claimed_by, const std::string& kind,
                    const Position& after, int limit, bool indexed,
                    std::span<const std::int64_t> except = {});

// The id of the row that the same claim would take first, by a lock that updates nothing.
pg::Statement first_to_claim(const std::string& schema, const std::string& kind, const Position& after,
                             bool indexed, std::span<const std::int64_t> except);

// One suspect, looked for among the first rows of the kind: the ordinary claim passes suspects over, so they
// come to the front by themselves.
pg::Statement claim_suspect(const std::string& schema, const std::string& claimed_by,
                            const std::string& kind);

// The rows of a claim whose reply was lost: they carry its claimed_by, which no other claim ever shares.
pg::Statement adopt(const std::string& schema, const std::string& claimed_by);

// The rows of any of the three, oldest first.
std::vector<Job> jobs(const pg::Result& result, const std::string& claimed_by);

}  // namespace memoir::queue
