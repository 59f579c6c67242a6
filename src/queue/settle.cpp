#include "queue/settle.hpp"

#include <algorithm>

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {

std::vector<std::int64_t> ids(std::span<const Fence> rows) {
    std::vector<std::int64_t> result;
    for (const auto& row : rows) result.push_back(row.id);
    return result;
}

// The rows among $1 that still carry their claimed_by, which $2 holds in the same order. By the primary key
// alone (is_claimed says why).
std::string fenced() {
    return "j.id = any($1::bigint[]) and j.claimed_by = ($2::text[])[array_position($1::bigint[], j.id)] "
           "and " +
           is_claimed("j");
}

// Those, locked; what somebody else has locked is passed over.
std::string ours(const std::string& table) {
    return "with c as materialized (select j.id from " + table + " j where " + fenced() +
           " order by j.id for update skip locked) ";
}

// What joins `c` to the table: the array keeps the planner to the primary key whatever it expects of `c`.
constexpr const char* of_ours = " where j.id = any($1::bigint[]) and j.id = c.id";

bool of_one_claim(std::span<const Fence> rows) {
    return !rows.empty() && std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
        return row.claimed_by == rows.front().claimed_by;
    });
}

template <typename Row>
void add_fences(pg::Params& params, std::span<const Row> rows) {
    std::vector<std::int64_t> numbers;
    std::vector<std::string> holders;
    for (const auto& row : rows) {
        numbers.push_back(row.row.id);
        holders.push_back(row.row.claimed_by);
    }
    params.array(numbers).array(holders);
}

void add_fences(pg::Params& params, std::span<const Fence> rows) {
    std::vector<std::string> holders;
    for (const auto& row : rows) holders.push_back(row.claimed_by);
    params.array(ids(rows)).array(holders);
}

}  // namespace

pg::Statement remove(const std::string& schema, std::span<const Fence> rows, Commit commit) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    if (of_one_claim(rows)) {
        // By far the most frequent: half the server's work of the general form.
        statement.repeated = true;
        statement.params.array(ids(rows)).add(rows.front().claimed_by);
        statement.sql =
            "delete from " + table + " j where " +
            (commit == Commit::asynchronous ? committing_asynchronously() + " and " : std::string()) +
            locked_rows("j", "select ctid from " + table +
                                 " j where id = any($1::bigint[]) and claimed_by = $2 and " +
                                 is_claimed("j") + " order by id for update skip locked") +
            " returning j.id";
        return statement;
    }
    add_fences(statement.params, rows);
    statement.sql = ours(table) + "delete from " + table + " j using c" +
                    (commit == Commit::asynchronous ? ", " + asynchronous_commit() : "") + of_ours +
                    " returning j.id";
    return statement;
}

pg::Statement remove_locked(const std::string& schema, std::span<const Fence> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.repeated = true;
    add_fences(statement.params, rows);
    statement.sql = "delete from " + table + " j where " + fenced() + " returning j.id";
    return statement;
}

pg::Statement park(const std::string& schema, std::span<const Park> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_fences(statement.params, rows);
    std::vector<std::int64_t> delays, attempts;
    std::vector<std::string> reasons;
    for (const auto& row : rows) {
        delays.push_back(row.delay.count());
        attempts.push_back(row.attempts);
        reasons.push_back(row.reason);
    }
    statement.params.array(delays).array(attempts).array(reasons).add(parked_holder);
    statement.sql =
        ours(table) + "update " + table +
        " j set claimed_by = $6, claimed_at = clock_timestamp() + p.delay * interval '1 millisecond' - "
        "interval '60 seconds', attempts = j.attempts + p.attempts, failure_reason = case when p.attempts = "
        "0 "
        "and " +
        is_suspect("j") +
        " then j.failure_reason else p.reason end from c, (select * from unnest($1::bigint[], $3::bigint[], "
        "$4::integer[], $5::text[]) as p(id, delay, attempts, reason)) p, " +
        asynchronous_commit() + of_ours + " and p.id = c.id returning j.id";
    return statement;
}

pg::Statement fail(const std::string& schema, std::span<const Fail> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_fences(statement.params, rows);
    std::vector<std::string> reasons;
    for (const auto& row : rows) reasons.push_back(row.reason);
    statement.params.array(reasons);
    statement.sql =
        ours(table) + "update " + table +
        " j set state = 'failed', attempts = j.attempts + 1, failure_reason = p.reason, claimed_at "
        "= null, claimed_by = null from c, (select * from unnest($1::bigint[], $3::text[]) as "
        "p(id, reason)) p" +
        of_ours + " and p.id = c.id returning j.id";
    return statement;
}

pg::Statement release(const std::string& schema, std::span<const Fence> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_fences(statement.params, rows);
    statement.sql = ours(table) + "update " + table +
                    " j set state = 'pending', claimed_at = null, claimed_by = null from c, " +
                    asynchronous_commit() + of_ours + " returning j.id, j.kind, " +
                    position_us("j.created_at");
    return statement;
}

pg::Statement checkpoint(const std::string& schema, const Fence& row, const std::string& before,
                         const std::string& payload) {
    pg::Statement statement;
    add_fences(statement.params, std::span(&row, 1));
    statement.params.add(payload).add(before);
    statement.sql = "update " + pg::qualified(schema, "memory_jobs") +
                    " j set payload = $3::jsonb, claimed_at = clock_timestamp() where " + fenced() +
                    " and j.payload = $4::jsonb returning j.id";
    return statement;
}

pg::Statement look(const std::string& schema, std::span<const std::int64_t> ids, const std::string& payload) {
    pg::Statement statement;
    statement.params.array(ids).add(payload.empty() ? "null" : payload);
    statement.sql = "select id, state, coalesce(claimed_by, ''), payload = $2::jsonb from " +
                    pg::qualified(schema, "memory_jobs") + " where id = any($1::bigint[])";
    return statement;
}

std::vector<Seen> seen(const pg::Result& result) {
    std::vector<Seen> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back(
            {result.integer(row, 0), result.string(row, 1), result.string(row, 2), result.boolean(row, 3)});
    return rows;
}

CommitFate resolve(Meant meant, const std::string& claimed_by, const std::optional<Seen>& row) {
    if (!row) return CommitFate::over;
    if (row->state == "claimed" && row->claimed_by == claimed_by)
        return meant == Meant::checkpoint && row->payload_matches ? CommitFate::done : CommitFate::again;
    if (meant == Meant::park && row->state == "claimed" && row->claimed_by == parked_holder)
        return CommitFate::done;
    if (meant == Meant::release && row->state == "pending") return CommitFate::done;
    if (meant == Meant::fail && row->state == "failed") return CommitFate::done;
    return CommitFate::lost;
}

}  // namespace memoir::queue
