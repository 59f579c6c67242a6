#include "queue/keep.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

pg::Statement renew(const std::string& schema, const std::string& process,
                    std::span<const std::int64_t> ids) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.array(ids).add(process);
    statement.sql = "with c as materialized (select id from " + table +
                    " r where id = any($1::bigint[]) and starts_with(claimed_by, $2) and " + is_claimed("r") +
                    " order by id for update skip locked) update " + table +
                    " j set claimed_at = clock_timestamp() from c, " + asynchronous_commit() +
                    " where j.id = any($1::bigint[]) and j.id = c.id";
    return statement;
}

pg::Statement held(const std::string& schema, const std::string& process) {
    pg::Statement statement;
    statement.params.add(process);
    statement.sql = "select id, claimed_by from " + pg::qualified(schema, "memory_jobs") +
                    " where state = 'claimed' and starts_with(claimed_by, $1)";
    return statement;
}

std::vector<Fence> fences(const pg::Result& result) {
    std::vector<Fence> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.integer(row, 0), result.string(row, 1)});
    return rows;
}

}  // namespace memoir::queue
