#include "memory/staging.hpp"

#include "pg/name.hpp"

namespace memoir::memory {

namespace {
std::string table(const std::string& schema) {
    return pg::qualified(schema, "graph_triple_staging");
}
}  // namespace

bool any_staged(pg::Connection& connection, const std::string& schema) {
    return !connection.exec("select from " + table(schema) + " limit 1").empty();
}

std::optional<Staged> staged(pg::Connection& connection, const std::string& schema,
                             const std::string& source_pid) {
    const auto result =
        connection.exec("select triples::text, xmin::text from " + table(schema) + " where source_pid = $1",
                        pg::Params().add(source_pid));
    if (result.empty()) return std::nullopt;
    return Staged{result.string(0, 0), result.string(0, 1)};
}

void stage(pg::Transaction& transaction, const std::string& schema, const std::string& source_pid,
           const std::string& triples) {
    transaction.defer(
        {"insert into " + table(schema) +
             " (source_pid, triples, created_at) values ($1, $2::jsonb, clock_timestamp()) on conflict "
             "(source_pid) do update set triples = excluded.triples, created_at = excluded.created_at",
         pg::Params().add(source_pid).add(triples), true});
}

bool clear_staged(pg::Transaction& transaction, const std::string& schema, const std::string& source_pid,
                  const std::string& version) {
    const auto result = transaction.exec("with gone as (delete from " + table(schema) +
                                             " where source_pid = $1 and xmin::text = $2 returning "
                                             "source_pid) select exists(select from gone), "
                                             "exists(select from " +
                                             table(schema) + " where source_pid = $1)",
                                         pg::Params().add(source_pid).add(version));
    // The second look sees the row as it was before the delete.
    return result.boolean(0, 0) || !result.boolean(0, 1);
}

Stranded stranded(pg::Connection& connection, const std::string& schema, const std::string& after,
                  int limit) {
    const auto result = connection.exec(
        "with w as materialized (select source_pid, created_at from " + table(schema) +
            " where source_pid > $1 order by source_pid limit $2::integer) select source_pid, null::bigint from "
            "w where created_at < clock_timestamp() - interval '1 minute' and not exists (select from " +
            pg::qualified(schema, "memory_jobs") +
            " j where j.source_pid = w.source_pid and j.kind in ('extract', 'relational_extract', "
            "'synthesize')) union all (select source_pid, count(*) over () from w order by source_pid desc limit "
            "1)",
        pg::Params().add(after).add(limit));
    Stranded slice;
    for (int row = 0; row < result.rows(); ++row) {
        if (result.is_null(row, 1))
            slice.pids.push_back(result.string(row, 0));
        else if (result.integer(row, 1) == limit)
            slice.next = result.string(row, 0);
    }
    return slice;
}

std::string moment(pg::Connection& connection, const std::string& schema, const std::string& pid) {
    const auto result = connection.exec(
        "select to_char(coalesce(event_at, created_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') "
        "from " +
            pg::qualified(schema, "memories") +
            " where pid = $1 and isfinite(coalesce(event_at, created_at))",
        pg::Params().add(pid));
    return result.empty() ? std::string() : result.string(0, 0);
}

std::vector<std::string> active_facts(pg::Connection& connection, const std::string& schema,
                                      const std::string& source_pid, int limit) {
    const auto result =
        connection.exec("select left(content, $2::integer) from " + pg::qualified(schema, "memories") +
                            " where source_pid = $1 and kind = 'semantic' and superseded_by is null and "
                            "retirement_reason is null "
                            "order by pid",
                        pg::Params().add(source_pid).add(limit));
    std::vector<std::string> contents;
    for (int row = 0; row < result.rows(); ++row) contents.push_back(result.string(row, 0));
    return contents;
}

}  // namespace memoir::memory
