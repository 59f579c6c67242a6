#include "queue/duties.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

namespace {
std::string table(const std::string& schema) {
    return pg::qualified(schema, "memoird_duties");
}
}  // namespace

pg::Statement select_duties(const std::string& schema) {
    return {"select name, nonce, until > clock_timestamp() from " + table(schema)};
}

std::vector<Duty> read_duties(const pg::Result& result) {
    std::vector<Duty> duties;
    for (int row = 0; row < result.rows(); ++row)
        duties.push_back({result.string(row, 0), result.string(row, 1), result.boolean(row, 2)});
    return duties;
}

pg::Statement take_duties(const std::string& schema, std::span<const std::string> names,
                          const std::string& nonce, Milliseconds hold) {
    // In the order of their names: two that take several meet each other at the first.
    return {"insert into " + table(schema) +
                " as d (name, nonce, until) select n, $2, clock_timestamp() + $3::bigint * interval '1 "
                "millisecond' from (select n from unnest($1::text[]) n order by n) o, " +
                asynchronous_commit() +
                " on conflict (name) do update set nonce = excluded.nonce, until = excluded.until where "
                "d.nonce = excluded.nonce or d.until < clock_timestamp() returning name",
            pg::Params().array(names).add(nonce).add(static_cast<std::int64_t>(hold.count()))};
}

pg::Statement leave_duties(const std::string& schema, std::span<const std::string> names,
                           const std::string& nonce) {
    return {"delete from " + table(schema) + " where nonce = $2 and name = any($1::text[])",
            pg::Params().array(names).add(nonce)};
}

pg::Statement leave_all_duties(const std::string& schema, const std::string& nonce) {
    return {"delete from " + table(schema) + " where nonce = $1", pg::Params().add(nonce)};
}

}  // namespace memoir::queue
