#include "queue/recover.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {

const std::string memoird_prefix = "memoird/";

std::string returning() {
    return " returning j.id, j.kind, " + position_us("j.created_at");
}

// The rows as the first look saw them, unchanged since.
void add_rows(pg::Params& params, std::span<const Overdue> rows) {
    std::vector<std::int64_t> ids, times;
    std::vector<std::optional<std::string>> holders;
    for (const auto& row : rows) {
        ids.push_back(row.id);
        holders.push_back(row.claimed_by);
        times.push_back(row.claimed_us);
    }
    params.array(ids).array(std::span<const std::optional<std::string>>(holders)).array(times);
}

std::string unchanged(const std::string& table) {
    return "with i as (select * from unnest($1::bigint[], $2::text[], $3::bigint[]) as i(id, claimed_by, "
           "at)), "
           "c as materialized (select j.id from " +
           table + " j, i where j.id = any($1::bigint[]) and j.id = i.id and " + is_claimed("j") +
           " and j.claimed_by is not distinct from i.claimed_by and (" + position_us("j.claimed_at") +
           ") = i.at order by j.id for update of j skip locked) ";
}

// What joins `c` to the table: the array keeps the planner to the primary key whatever it expects of `c`.
constexpr const char* of_unchanged = " from c where j.id = any($1::bigint[]) and j.id = c.id";

}  // namespace

std::vector<Returned> returned(const pg::Result& result) {
    std::vector<Returned> rows;
    for (int row = 0; row < result.rows(); ++row) {
        const auto id = result.integer(row, 0);
        rows.push_back({id, result.string(row, 1), {result.integer(row, 2), id}});
    }
    return rows;
}

pg::Statement unpark(const std::string& schema, std::span<const std::string> served) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.add(parked_holder);
    std::string due = "claimed_at <= clock_timestamp() - interval '60 seconds'";
    if (!served.empty()) {
        statement.params.array(served);
        due = "(" + due + " or (kind = any($2::text[]) and starts_with(failure_reason, '" +
              std::string(waiting_prefix) + "')))";
    }
    statement.sql = "with c as materialized (select id from " + table +
                    " where state = 'claimed' and claimed_by = $1 and " + due +
                    " order by id for update skip locked) update " + table +
                    " j set state = 'pending', claimed_at = null, claimed_by = null from c, " +
                    asynchronous_commit() + " where j.id = c.id" + returning();
    return statement;
}

bool Overdue::memoird() const {
    return claimed_by && claimed_by->starts_with(memoird_prefix);
}

pg::Statement overdue(const std::string& schema, Milliseconds lease, Milliseconds foreign_lease) {
    pg::Statement statement;
    statement.params.add(static_cast<std::int64_t>(lease.count()))
        .add(static_cast<std::int64_t>(foreign_lease.count()))
        .add(parked_holder)
        .add(memoird_prefix);
    statement.sql =
        "select id, kind, source_pid, claimed_by, " + position_us("claimed_at") + ", attempts from " +
        pg::qualified(schema, "memory_jobs") +
        " where state = 'claimed' and claimed_by is distinct from $3 and claimed_at < "
        "clock_timestamp() - interval '1 millisecond' * case when starts_with(claimed_by, $4) then "
        "$1::bigint else $2::bigint end order by id limit 10000";
    return statement;
}

std::vector<Overdue> overdue_rows(const pg::Result& result) {
    std::vector<Overdue> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.integer(row, 0), result.string(row, 1), result.string(row, 2),
                        result.optional(row, 3), result.integer(row, 4),
                        static_cast<int>(result.integer(row, 5))});
    return rows;
}

pg::Statement recover_dead(const std::string& schema, std::span<const Overdue> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, rows);
    statement.params.add(suspect_prefix);
    statement.sql =
        unchanged(table) + "update " + table +
        " j set state = 'pending', attempts = j.attempts + 1, failure_reason = $4 || j.claimed_by, "
        "claimed_at = null, claimed_by = null" +
        of_unchanged + returning();
    return statement;
}

pg::Statement recover_foreign(const std::string& schema, std::span<const Overdue> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, rows);
    statement.sql = unchanged(table) + "update " + table +
                    " j set state = 'pending', claimed_at = null, claimed_by = null" + of_unchanged +
                    returning();
    return statement;
}

pg::Statement bury(const std::string& schema, const Overdue& row) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, std::span(&row, 1));
    statement.params.add(suspect_prefix);
    statement.sql =
        unchanged(table) + "update " + table +
        " j set state = 'failed', attempts = j.attempts + 1, failure_reason = $4 || j.claimed_by, "
        "claimed_at = null, claimed_by = null" +
        of_unchanged + " returning j.id";
    return statement;
}

}  // namespace memoir::queue
