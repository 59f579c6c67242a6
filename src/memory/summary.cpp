#include "memory/summary.hpp"

#include "pg/name.hpp"

namespace memoir::memory {

std::vector<Summary> summaries(pg::Connection& connection, const std::string& schema,
                               const ScopeFilter& filter, std::span<const std::string> pids,
                               bool with_content) {
    auto params = pg::Params().array(pids).add(with_content);
    const auto in_scope = condition(filter, "", params);
    const auto rows = connection.exec(
        "select pid, kind, agent_id, org_id, category, confidence, char_length(content), "
        "to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "
        "case when $2::boolean then content end from " +
            pg::qualified(schema, "memories") +
            " where pid = any($1::text[]) and superseded_by is null and retirement_reason is null" + in_scope,
        params);
    std::vector<Summary> found;
    for (int row = 0; row < rows.rows(); ++row)
        found.push_back({rows.string(row, 0), rows.string(row, 1), rows.string(row, 2), rows.string(row, 3),
                         rows.optional(row, 4), static_cast<int>(rows.integer(row, 5)), rows.integer(row, 6),
                         rows.string(row, 7), rows.optional(row, 8)});
    return found;
}

}  // namespace memoir::memory
