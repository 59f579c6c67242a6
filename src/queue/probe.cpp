#include "queue/probe.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

pg::Statement first_pending(const std::string& schema, std::span<const std::string> kinds, bool pauses,
                            bool indexed) {
    const auto table = pg::qualified(schema, "memory_jobs");
    const std::string order = indexed ? " order by created_at, id" : " order by created_at";
    const auto first = [&](const std::string& columns, const std::string& condition) {
        return "(select " + columns + " from " + table + " where kind = k.kind and state = 'pending'" +
               condition + order;
    };
    pg::Statement statement;
    statement.in_order = true;
    statement.params.array(kinds);
    statement.sql =
        "select k.kind, " + position_us("o.created_at") + ", o.id, exists (select from " +
        first("failure_reason", "") + " limit 100) w where " + is_suspect("w") + "), " +
        (pauses ? "(select string_agg(kind, ',') from " + pg::qualified(schema, "memoird_pauses") + ")"
                : std::string("null")) +
        " from unnest($1::text[]) as k(kind) left join lateral " +
        first("created_at, id", " and not " + is_suspect("memory_jobs")) + " limit 1) o on true";
    return statement;
}

Look look_result(const pg::Result& result) {
    Look look;
    for (int row = 0; row < result.rows(); ++row) {
        First first{result.string(row, 0), std::nullopt, result.boolean(row, 3)};
        if (!result.is_null(row, 2))
            first.ordinary = Position{result.integer(row, 1), result.integer(row, 2)};
        look.first.push_back(std::move(first));
        if (row > 0 || result.is_null(row, 4)) continue;
        const auto list = result.string(row, 4);
        for (std::size_t at = 0; at <= list.size();) {
            const auto comma = std::min(list.find(',', at), list.size());
            look.paused.push_back(list.substr(at, comma - at));
            at = comma + 1;
        }
    }
    return look;
}

pg::Statement remaining(const std::string& schema, std::span<const std::string> kinds,
                        const std::string& process) {
    const auto table = pg::qualified(schema, "memory_jobs");
    pg::Statement statement;
    statement.params.array(kinds).add(process).add(parked_holder);
    statement.sql =
        "select k.kind, exists (select from " + table +
        " where kind = k.kind and state = 'pending'), exists (select from " + table +
        " where kind = k.kind and state = 'claimed' and claimed_by = $3), exists (select from " + table +
        " where state = 'claimed' and starts_with(claimed_by, $2)) from unnest($1::text[]) as k(kind)";
    return statement;
}

Remaining remaining_result(const pg::Result& result) {
    Remaining remaining;
    for (int row = 0; row < result.rows(); ++row) {
        const bool pending = result.boolean(row, 1), waiting = result.boolean(row, 2);
        remaining.pending |= pending;
        remaining.parked |= waiting;
        remaining.ours |= result.boolean(row, 3);
        if (pending || waiting) remaining.kinds[result.string(row, 0)] = true;
    }
    return remaining;
}

}  // namespace memoir::queue
