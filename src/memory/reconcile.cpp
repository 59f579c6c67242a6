#include "memory/reconcile.hpp"

#include "pg/name.hpp"

namespace memoir::memory {

std::vector<std::string> without_vector(pg::Connection& connection, const std::string& schema, bool failed,
                                        const std::string& after, int limit) {
    const auto result = connection.exec(
        "select m.pid from " + pg::qualified(schema, "memories") +
            " m where (m.qdrant_status = 'pending' or ($1::boolean and m.qdrant_status = 'failed')) and "
            "m.retirement_reason is null and m.pid > $2 and not exists (select from " +
            pg::qualified(schema, "memory_jobs") +
            " j where j.source_pid = m.pid and j.kind = 'embed' and j.state <> 'failed') order by m.pid "
            "limit "
            "$3::integer",
        pg::Params().add(std::string(failed ? "true" : "false")).add(after).add(limit));
    std::vector<std::string> pids;
    for (int row = 0; row < result.rows(); ++row) pids.push_back(result.string(row, 0));
    return pids;
}

std::int64_t failed_vectors(pg::Connection& connection, const std::string& schema, std::int64_t limit) {
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memories") +
                  " where qdrant_status = 'failed' and retirement_reason is null limit $1::bigint) m",
              pg::Params().add(limit))
        .integer(0, 0);
}

std::int64_t forget_failed_embeds(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const std::string> pids) {
    return transaction
        .exec("delete from " + pg::qualified(schema, "memory_jobs") +
                  " where source_pid = any($1::text[]) and kind = 'embed' and state = 'failed'",
              pg::Params().array(pids))
        .affected();
}

std::vector<std::string> without_memory(pg::Connection& connection, const std::string& schema,
                                        std::span<const std::string> pids) {
    const auto result = connection.exec("select p from unnest($1::text[]) p where not exists (select from " +
                                            pg::qualified(schema, "memories") +
                                            " m where m.pid = p and m.retirement_reason is null)",
                                        pg::Params().array(pids));
    std::vector<std::string> gone;
    for (int row = 0; row < result.rows(); ++row) gone.push_back(result.string(row, 0));
    return gone;
}

Rebuild rebuild_graph(pg::Connection& connection, const std::string& schema, const Scope& scope,
                      bool dry_run) {
    const auto jobs = pg::qualified(schema, "memory_jobs");
    const auto params = pg::Params().add(scope.agent_id).add(scope.org_id).add(scope.user_id);
    const std::string sources = "select m.pid from " + pg::qualified(schema, "memories") +
                                " m where m.agent_id = $1 and m.org_id = $2 and m.user_id = $3 and m.kind = "
                                "'episodic' and m.superseded_by is null and m.retirement_reason is null";
    const auto failed = [&](const std::string& kinds) {
        return " where j.state = 'failed' and j.kind in (" + kinds + ") and j.source_pid in (" + sources +
               ")";
    };
    const std::string retryable = failed("'relational_extract', 'synthesize'");
    const std::string fresh = sources + " and not exists (select from " + jobs +
                              " j where j.source_pid = m.pid and j.kind = 'relational_extract') order by "
                              "m.created_at desc, m.pid";
    Rebuild rebuild;
    pg::Transaction transaction(connection, pg::Transaction::Durability::on);
    rebuild.blocked =
        transaction
            .exec("select count(distinct j.source_pid) from " + jobs + " j" + failed("'extract'"), params)
            .integer(0, 0);
    if (dry_run) {
        rebuild.retried =
            transaction.exec("select count(*) from " + jobs + " j" + retryable, params).integer(0, 0);
        rebuild.enqueued = transaction.exec("select count(*) from (" + fresh + ") f", params).integer(0, 0);
        return rebuild;
    }
    // Those that are being deleted are passed over; the others cannot be until the commit.
    rebuild.enqueued =
        transaction
            .exec(
                "with f as materialized (" + fresh +
                    " for key share of m skip locked), n as (select pid, row_number() over () as n from f) "
                    "insert into " +
                    jobs +
                    " (source_pid, kind, payload, created_at, updated_at) select pid, 'relational_extract', "
                    "'{\"origin\": \"reconcile\"}', t.now + n * interval '1 microsecond', t.now + n * "
                    "interval '1 microsecond' from n, (select clock_timestamp() as now) t order by n",
                params)
            .affected();
    rebuild.retried =
        transaction
            .exec("update " + jobs + " j set state = 'pending', attempts = 0, failure_reason = null" +
                      retryable,
                  params)
            .affected();
    transaction.commit();
    return rebuild;
}

std::vector<ExtractionStats> extraction_stats(pg::Connection& connection, const std::string& schema,
                                              const ScopeFilter& filter) {
    pg::Params params;
    const auto in_scope = condition(filter, "", params);
    const auto result = connection.exec(
        "select coalesce(metadata->>'provider', ''), coalesce(metadata->>'model', ''), count(*), count(*) "
        "filter "
        "(where retirement_reason = 'rejected'), count(*) filter (where retirement_reason = 'stale') from " +
            pg::qualified(schema, "memories") +
            " where kind = 'semantic' and metadata->>'origin' = 'extraction'" + in_scope +
            " group by 1, 2 order by 3 desc, 1, 2",
        params);
    std::vector<ExtractionStats> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.string(row, 0), result.string(row, 1), result.integer(row, 2),
                        result.integer(row, 3), result.integer(row, 4)});
    return rows;
}

}  // namespace memoir::memory
