#include "queue/pauses.hpp"

#include "pg/name.hpp"

namespace memoir::queue {

pg::Statement select_pauses(const std::string& schema) {
    return {
        "select kind, to_char(paused_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), paused_by "
        "from " +
        pg::qualified(schema, "memoird_pauses") + " order by kind"};
}

std::vector<Pause> read_pauses(const pg::Result& result) {
    std::vector<Pause> pauses;
    for (int row = 0; row < result.rows(); ++row)
        pauses.push_back({result.string(row, 0), result.string(row, 1), result.string(row, 2)});
    return pauses;
}

const Pause* pause_of(const std::vector<Pause>& pauses, std::string_view kind) {
    const Pause* all = nullptr;
    for (const auto& pause : pauses) {
        if (pause.kind == kind) return &pause;
        if (pause.kind == every_kind) all = &pause;
    }
    return all;
}

pg::Statement insert_pause(const std::string& schema, const std::string& kind, const std::string& by) {
    return {"insert into " + pg::qualified(schema, "memoird_pauses") +
                " (kind, paused_by) values ($1, $2) on conflict (kind) do nothing returning kind",
            pg::Params().add(kind).add(by)};
}

pg::Statement delete_pause(const std::string& schema, const std::string& kind) {
    return {"delete from " + pg::qualified(schema, "memoird_pauses") +
                " where kind = $1 or $1 = '*' returning kind",
            pg::Params().add(kind)};
}

}  // namespace memoir::queue
