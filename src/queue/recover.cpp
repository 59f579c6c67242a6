#include "queue/recover.hpp"

#include <algorithm>

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {

const std::string memoird_prefix = "memoird/";
const std::string to_pending = " state = 'pending', claimed_at = null, claimed_by = null";

std::string returning() {
    return " returning j.id, j.kind, " + position_us("j.created_at");
}

// The rows as the first look saw them, unchanged since.
void add_rows(pg::Params& params, std::span<const Overdue> rows) {
    std::vector<std::int64_t> ids, times;
    // No null in an array: with array_nulls off the server would take it for a word.
    std::vector<std::string> holders;
    for (const auto& row : rows) {
        ids.push_back(row.id);
        holders.push_back(row.claimed_by.value_or(""));
        times.push_back(row.claimed_us);
    }
    params.array(ids).array(holders).array(times);
}

std::string unchanged(const std::string& table) {
    return "with i as (select * from unnest($1::bigint[], $2::text[], $3::bigint[]) as i(id, claimed_by, "
           "at)), "
           "c as materialized (select j.id from " +
           table + " j, i where j.id = any($1::bigint[]) and j.id = i.id and " + is_claimed("j") +
           " and coalesce(j.claimed_by, '') = i.claimed_by and (" + position_us("j.claimed_at") +
           ") = i.at order by j.id for update of j skip locked) ";
}

// What joins `c` to the table: the array keeps the planner to the primary key whatever it expects of `c`.
constexpr const char* of_unchanged = " where j.id = any($1::bigint[]) and j.id = c.id";

}  // namespace

std::vector<Returned> returned(const pg::Result& result) {
    std::vector<Returned> rows;
    for (int row = 0; row < result.rows(); ++row) {
        const auto id = result.integer(row, 0);
        rows.push_back({id, result.string(row, 1), {result.integer(row, 2), id}});
    }
    return rows;
}

pg::Statement unpark(const std::string& schema, int limit) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.add(limit);
    // Written out, and not as a parameter: an index over parked rows alone serves no other form.
    statement.sql =
        "update " + table + " j set" + to_pending + " where " + committing_asynchronously() + " and " +
        locked_rows("j", "select ctid from " + table + " where state = 'claimed' and claimed_by = '" +
                             std::string(parked_holder) +
                             "' and claimed_at <= now() - interval '60 seconds' order by "
                             "claimed_at limit $1::integer for update skip locked") +
        returning();
    return statement;
}

pg::Statement unpark(const std::string& schema, std::span<const std::int64_t> ids) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.array(ids).add(parked_holder);
    statement.sql =
        "update " + table + " j set" + to_pending + " where " + committing_asynchronously() + " and " +
        locked_rows("j", "select ctid from " + table +
                             " p where id = any($1::bigint[]) and claimed_by = $2 and " + is_claimed("p") +
                             " and claimed_at <= clock_timestamp() - interval '60 seconds' order "
                             "by id for update skip locked") +
        returning();
    return statement;
}

pg::Statement unpark_waiting(const std::string& schema, const std::string& kind, const Cursor& after,
                             int limit) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.add(kind).add(timestamp(after.claimed_us)).add(after.id).add(limit);
    statement.sql =
        "with w as materialized (select id, claimed_at, failure_reason from " + table +
        " where state = 'claimed' and claimed_by = '" + std::string(parked_holder) +
        "' and kind = $1 and claimed_at > now() - interval '60 seconds' and (claimed_at, id) > "
        "($2::timestamptz, $3::bigint) order by claimed_at, id limit $4::integer), c as materialized (select "
        "j.id from " +
        table + " j where j.id = any(array(select id from w where starts_with(failure_reason, '" +
        std::string(waiting_prefix) + "'))) and j.claimed_by = '" + std::string(parked_holder) + "' and " +
        is_claimed("j") + " order by j.id for update skip locked), u as (update " + table + " j set" +
        to_pending + " from c, " + asynchronous_commit() +
        " where j.id = any(array(select id from c)) and j.id = c.id" + returning() +
        ") select id, kind, position, null::bigint from u as r(id, kind, position) union all select id, null, us, "
        "n from (select id, " +
        position_us("claimed_at") +
        " as us, count(*) over () as n from w order by claimed_at desc, id desc limit 1) last";
    return statement;
}

Unparked unparked(const pg::Result& result, int limit) {
    Unparked slice;
    for (int row = 0; row < result.rows(); ++row) {
        const auto id = result.integer(row, 0);
        if (result.is_null(row, 3))
            slice.rows.push_back({id, result.string(row, 1), {result.integer(row, 2), id}});
        else if (result.integer(row, 3) == limit)
            slice.next = Cursor{result.integer(row, 2), id};
    }
    return slice;
}

bool Overdue::memoird() const {
    return claimed_by && claimed_by->starts_with(memoird_prefix);
}

pg::Statement overdue(const std::string& schema, const Leases& leases, const Cursor& after, int limit) {
    const auto ago = [](const char* parameter) {
        return std::string(parameter) + "::bigint * interval '1 millisecond'";
    };
    pg::Statement statement;
    statement.params.add(static_cast<std::int64_t>(leases.lease.count()))
        .add(static_cast<std::int64_t>(leases.foreign.count()))
        .add(static_cast<std::int64_t>(std::min(leases.lease, leases.foreign).count()))
        .add(timestamp(after.claimed_us))
        .add(after.id)
        .add(limit)
        .add(parked_holder)
        .add(memoird_prefix);
    // claimed_by is "memoird/host:pid:nonce/…"; neither part holds a separator.
    const std::string host = leases.hosts ? " left join " + pg::qualified(schema, "memoird_hosts") +
                                                " h on h.nonce = split_part(split_part(w.claimed_by, '/', "
                                                "2), ':', 3)"
                                          : std::string();
    const std::string lives = leases.hosts
                                  ? " and coalesce(h.seen_at < clock_timestamp() - " + ago("$1") + ", true)"
                                  : std::string();
    statement.sql =
        "with w as materialized (select id, kind, source_pid, claimed_by, claimed_at, attempts from " +
        pg::qualified(schema, "memory_jobs") + " where state = 'claimed' and claimed_at < now() - " +
        ago("$3") +
        " and (claimed_at, id) > ($4::timestamptz, $5::bigint) order by claimed_at, id limit $6::integer) "
        "select w.id, w.kind, w.source_pid, w.claimed_by, " +
        position_us("w.claimed_at") + ", w.attempts, " +
        (leases.hosts && leases.draining ? "h.draining_since is not null" : "false") +
        ", null::bigint from w" + host +
        " where w.claimed_by is distinct from $7 and case when starts_with(w.claimed_by, $8) then "
        "w.claimed_at < clock_timestamp() - " +
        ago("$1") + lives + " else w.claimed_at < clock_timestamp() - " + ago("$2") +
        " end union all select id, null, null, null, us, 0, false, n from (select id, " +
        position_us("claimed_at") +
        " as us, count(*) over () as n from w order by claimed_at desc, id desc limit 1) last";
    return statement;
}

OverdueSlice overdue_slice(const pg::Result& result, int limit) {
    OverdueSlice slice;
    for (int row = 0; row < result.rows(); ++row) {
        if (result.is_null(row, 7))
            slice.rows.push_back({result.integer(row, 0), result.string(row, 1), result.string(row, 2),
                                  result.optional(row, 3), result.integer(row, 4),
                                  static_cast<int>(result.integer(row, 5)), result.boolean(row, 6)});
        else if (result.integer(row, 7) == limit)
            slice.next = Cursor{result.integer(row, 4), result.integer(row, 0)};
    }
    return slice;
}

pg::Statement recover_dead(const std::string& schema, std::span<const Overdue> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, rows);
    statement.params.add(suspect_prefix);
    statement.sql =
        unchanged(table) + "update " + table +
        " j set state = 'pending', attempts = j.attempts + 1, failure_reason = $4 || j.claimed_by, "
        "claimed_at = null, claimed_by = null from c, " +
        asynchronous_commit() + of_unchanged + returning();
    return statement;
}

pg::Statement recover_unharmed(const std::string& schema, std::span<const Overdue> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, rows);
    statement.sql = unchanged(table) + "update " + table + " j set" + to_pending + " from c, " +
                    asynchronous_commit() + of_unchanged + returning();
    return statement;
}

pg::Statement bury(const std::string& schema, std::span<const Overdue> rows) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    add_rows(statement.params, rows);
    statement.params.add(suspect_prefix);
    statement.sql =
        unchanged(table) + "update " + table +
        " j set state = 'failed', attempts = j.attempts + 1, failure_reason = $4 || j.claimed_by, "
        "claimed_at = null, claimed_by = null from c" +
        of_unchanged + " returning j.id";
    return statement;
}

}  // namespace memoir::queue
