#include "queue/keep.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {

// The server's clock against ours, over the life of a process.
constexpr Milliseconds drift{60'000};

// now() and not clock_timestamp(), which is volatile and never a condition of an index.
std::string ago(const char* parameter) {
    return std::string("now() - ") + parameter + "::bigint * interval '1 millisecond'";
}

}  // namespace

pg::Statement renew(const std::string& schema, const std::string& process,
                    std::span<const std::int64_t> ids) {
    const auto table = pg::qualified(schema, "memory_jobs");
    const std::string ours =
        " r where id = any($1::bigint[]) and starts_with(claimed_by, $2) and " + is_claimed("r");
    pg::Statement statement;
    statement.params.array(ids).add(process);
    statement.sql = "with c as materialized (select id from " + table + ours +
                    " order by id for update skip locked), u as (update " + table +
                    " j set claimed_at = clock_timestamp() from c, " + asynchronous_commit() +
                    " where j.id = any($1::bigint[]) and j.id = c.id) select id, claimed_by from " + table +
                    ours;
    return statement;
}

pg::Statement held(const std::string& schema, const std::string& process, Milliseconds age) {
    pg::Statement statement;
    statement.params.add(process).add(static_cast<std::int64_t>((age + drift).count()));
    statement.sql = "select id, claimed_by from " + pg::qualified(schema, "memory_jobs") +
                    " where state = 'claimed' and claimed_at >= " + ago("$2") +
                    " and starts_with(claimed_by, $1)";
    return statement;
}

pg::Statement strays(const std::string& schema, const std::string& process, Milliseconds unrenewed,
                     Milliseconds age, int limit) {
    auto statement = held(schema, process, age);
    statement.params.add(static_cast<std::int64_t>(unrenewed.count())).add(limit);
    statement.sql += " and claimed_at < " + ago("$3") + " order by claimed_at limit $4::integer";
    return statement;
}

std::vector<Fence> fences(const pg::Result& result) {
    std::vector<Fence> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.integer(row, 0), result.string(row, 1)});
    return rows;
}

}  // namespace memoir::queue
