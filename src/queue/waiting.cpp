#include "queue/waiting.hpp"

#include "pg/name.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

namespace {
std::string waits(const std::string& parked) {
    return "(j.state = 'pending' or (j.state = 'claimed' and j.claimed_by = " + parked + "))";
}
}  // namespace

pg::Statement waiting_corrections(const std::string& schema, std::int64_t after, int limit) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.add(after).add(std::int64_t{limit}).add(parked_holder);
    // A worker of the library knows nothing of our note, and would store the feedback a second time.
    statement.sql =
        "select j.id, j.source_pid, j.payload from " + table +
        " j where j.kind = 'reprocess' and j.id > $1::bigint and " + waits("$3") +
        " and jsonb_typeof(j.payload -> 'feedback') = 'string' and not j.payload ? 'memoird' and not exists "
        "(select from " +
        table +
        " w where w.state = 'claimed' and w.claimed_by <> $3 and not starts_with(w.claimed_by, 'memoird/')) "
        "order by j.id limit $2::bigint";
    return statement;
}

std::vector<WaitingRow> waiting_rows(const pg::Result& result) {
    std::vector<WaitingRow> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.integer(row, 0), result.string(row, 1), result.string(row, 2)});
    return rows;
}

pg::Statement note_in_waiting(const std::string& schema, const WaitingRow& before,
                              const std::string& payload) {
    pg::Statement statement;
    statement.params.add(before.id).add(payload).add(before.payload).add(parked_holder);
    statement.sql = "update " + pg::qualified(schema, "memory_jobs") +
                    " j set payload = $2::jsonb where j.id = $1::bigint and " + waits("$4") +
                    " and j.payload = $3::jsonb returning j.id";
    return statement;
}

}  // namespace memoir::queue
