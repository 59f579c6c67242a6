#include "stages/repair.hpp"

#include "memory/memory.hpp"

namespace memoir::stages {

namespace {

// How long the look at the memories may wait for the database, and how often it yields to an agent that has
// one of them locked.
constexpr Milliseconds database_wait{5'000};
constexpr int most_tries = 20;

// In a transaction with a lock_timeout: the insert looks at the memories, and an agent that waits for us must
// not be the one that Postgres ends.
std::vector<std::string> reindex(pg::Pool& pool, const std::string& schema,
                                 std::span<const std::string> pids) {
    for (int left = most_tries;; --left) {
        try {
            auto connection = pool.acquire({}, database_wait);
            pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
            auto gone = memory::reindex(transaction, schema, pids);
            transaction.commit();
            return gone;
        } catch (const pg::Error& error) {
            if (error.error_class() != pg::ErrorClass::transaction || left == 0) throw;
        }
    }
}

}  // namespace

void repair_points(vector::Index& index, pg::Pool& pool, const std::string& schema,
                   std::span<const std::string> pids, telemetry::Log& log) {
    if (pids.empty()) return;
    try {
        const auto gone = reindex(pool, schema, pids);
        if (!gone.empty()) index.remove(gone, {});
    } catch (const std::exception& error) {
        const auto* failure = dynamic_cast<const Failure*>(&error);
        log.error("memoir.retire.index_delete_failed",
                  "points of lost claims may remain in the index; memoirctl reconcile --orphans removes them",
                  {{"points", static_cast<std::int64_t>(pids.size())},
                   {"error", failure ? failure->reason() : std::string("the database is unavailable")}});
    }
}

}  // namespace memoir::stages
