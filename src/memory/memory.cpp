#include "memory/memory.hpp"

#include <algorithm>

#include "pg/name.hpp"

namespace memoir::memory {

namespace {

// Milliseconds since the epoch, rounded down (−0.5 → −1). What lies at ±infinity is written as the end of the
// range that Postgres itself can hold.
std::string milliseconds(const std::string& column) {
    return "case when " + column + " is null then null when isfinite(" + column +
           ") then floor(extract(epoch from " + column + ") * 1000)::bigint when " + column +
           " > 'epoch' then 9224318015999999 else -210866803200000 end";
}

}  // namespace

pg::Statement load_statement(const std::string& schema, std::span<const std::string> pids, int content_limit,
                             int metadata_limit) {
    return {
        "select pid, agent_id, org_id, user_id, kind, left(content, $2::integer), case when $3::integer > 0 "
        "then left(metadata::text, $3::integer) else '' end, "
        "qdrant_status, " +
            milliseconds("created_at") + ", " + milliseconds("event_at") +
            ", confidence, category, source_pid, superseded_by is not null, retirement_reason is not null, "
            "xmin::text from " +
            pg::qualified(schema, "memories") + " where pid = any($1::text[])",
        pg::Params().array(pids).add(content_limit).add(metadata_limit), true};
}

std::vector<Memory> loaded(const pg::Result& result) {
    std::vector<Memory> memories;
    memories.reserve(static_cast<std::size_t>(result.rows()));
    for (int row = 0; row < result.rows(); ++row) {
        Memory memory;
        memory.pid = result.string(row, 0);
        memory.scope = {result.string(row, 1), result.string(row, 2), result.string(row, 3)};
        memory.kind = result.string(row, 4);
        memory.content = result.string(row, 5);
        memory.metadata = result.string(row, 6);
        memory.qdrant_status = result.string(row, 7);
        memory.created_at_ms = result.integer(row, 8);
        if (!result.is_null(row, 9)) memory.event_at_ms = result.integer(row, 9);
        memory.confidence = static_cast<int>(result.integer(row, 10));
        memory.category = result.optional(row, 11);
        memory.source_pid = result.optional(row, 12);
        memory.superseded = result.boolean(row, 13);
        memory.retired = result.boolean(row, 14);
        memory.version = result.string(row, 15);
        memories.push_back(std::move(memory));
    }
    return memories;
}

std::vector<Memory> load(pg::Connection& connection, const std::string& schema,
                         std::span<const std::string> pids, int content_limit, int metadata_limit) {
    const auto statement = load_statement(schema, pids, content_limit, metadata_limit);
    return loaded(connection.exec(statement));
}

std::vector<Locked> lock(pg::Transaction& transaction, const std::string& schema,
                         std::span<const std::string> pids) {
    const pg::Statement statement{"select pid, xmin::text, retirement_reason is not null from " +
                                      pg::qualified(schema, "memories") +
                                      " where pid = any($1::text[]) order by pid for no key update skip "
                                      "locked",
                                  pg::Params().array(pids), true};
    const auto result = transaction.exec(statement);
    std::vector<Locked> locked;
    for (int row = 0; row < result.rows(); ++row)
        locked.push_back({result.string(row, 0), result.string(row, 1), result.boolean(row, 2)});
    return locked;
}

std::vector<std::string> existing(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const std::string> pids) {
    const auto result = transaction.exec(
        "select pid from " + pg::qualified(schema, "memories") + " where pid = any($1::text[])",
        pg::Params().array(pids));
    std::vector<std::string> found;
    for (int row = 0; row < result.rows(); ++row) found.push_back(result.string(row, 0));
    return found;
}

void set_index_status(pg::Transaction& transaction, const std::string& schema,
                      std::span<const std::string> pids, const std::string& status) {
    // Rows that say so already are left alone: a version that changes for nothing sends others round again.
    transaction.exec("update " + pg::qualified(schema, "memories") +
                         " set qdrant_status = $2 where pid = any($1::text[]) and qdrant_status <> $2",
                     pg::Params().array(pids).add(status));
}

std::vector<std::string> reindex(pg::Transaction& transaction, const std::string& schema,
                                 std::span<const std::string> pids) {
    const auto result = transaction.exec(
        "with m as (update " + pg::qualified(schema, "memories") +
            " set qdrant_status = 'pending' where pid = any($1::text[]) and retirement_reason is null "
            "returning pid), j as (insert into " +
            pg::qualified(schema, "memory_jobs") +
            " (source_pid, kind, payload, created_at, updated_at) select pid, 'embed', '{\"origin\": "
            "\"edit\"}', t.now, t.now from m, (select clock_timestamp() as now) t) select pid from m",
        pg::Params().array(pids));
    std::vector<std::string> gone(pids.begin(), pids.end());
    for (int row = 0; row < result.rows(); ++row) std::erase(gone, result.string(row, 0));
    return gone;
}

}  // namespace memoir::memory
