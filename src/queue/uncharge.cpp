#include "queue/uncharge.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

pg::Statement uncharge(const std::string& schema, std::span<const std::int64_t> jobs) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.array(jobs).add(parked_holder);
    statement.sql =
        "with c as materialized (select j.id from " + table +
        " j where j.id = any($1::bigint[]) and j.claimed_by = $2 and j.attempts > 0 order by j.id "
        "for update skip locked) update " +
        table + " j set attempts = j.attempts - 1 from c, " + asynchronous_commit() +
        " where j.id = any($1::bigint[]) and j.id = c.id returning j.id";
    return statement;
}

}  // namespace memoir::queue
