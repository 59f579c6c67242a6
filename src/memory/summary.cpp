#include "memory/summary.hpp"

#include "pg/name.hpp"

namespace memoir::memory {

std::vector<Summary> summaries(pg::Connection& connection, const std::string& schema,
                               const std::string& agent_id, const std::string& org_id,
                               const std::string& user_id, std::span<const std::string> pids,
                               bool with_content) {
    const auto rows = connection.exec(
        "select pid, kind, category, confidence, char_length(content), "
        "to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "
        "case when $5::boolean then content end from " +
            pg::qualified(schema, "memories") +
            " where pid = any($1::text[]) and agent_id = $2 and org_id = $3 and user_id = $4 "
            "and superseded_by is null and retirement_reason is null",
        pg::Params().array(pids).add(agent_id).add(org_id).add(user_id).add(with_content));
    std::vector<Summary> found;
    for (int row = 0; row < rows.rows(); ++row)
        found.push_back({rows.string(row, 0), rows.string(row, 1), rows.optional(row, 2),
                         static_cast<int>(rows.integer(row, 3)), rows.integer(row, 4), rows.string(row, 5),
                         rows.optional(row, 6)});
    return found;
}

}  // namespace memoir::memory
