#include "queue/fan_in.hpp"

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

pg::Statement fan_in(const std::string& schema, std::span<const std::string> source_pids) {
    const auto jobs = pg::qualified(schema, "memory_jobs");
    return {
        "insert into " + jobs +
            " (source_pid, kind, payload, created_at, updated_at) "
            "select m.pid, 'synthesize', '{}', t.now, t.now from (select clock_timestamp() as now) t, " +
            pg::qualified(schema, "memories") +
            " m where m.pid = any($1::text[]) and not exists (select from " + jobs +
            " j where j.source_pid = m.pid and j.kind in ('extract', 'relational_extract', 'synthesize')) returning source_pid",
        pg::Params().array(source_pids), true};
}

int enqueue_synthesize(pg::Transaction& transaction, const std::string& schema,
                       std::span<const std::string> source_pids) {
    if (source_pids.empty()) return 0;
    const auto statement = fan_in(schema, source_pids);
    return static_cast<int>(transaction.exec(statement).affected());
}

void remove_older_extracts(pg::Transaction& transaction, const std::string& schema,
                           const std::string& source_pid, const Position& than) {
    transaction.exec("delete from " + pg::qualified(schema, "memory_jobs") +
                         " where source_pid = $1 and kind = 'extract' and (created_at, id) < "
                         "($2::timestamptz, $3::bigint)",
                     pg::Params().add(source_pid).add(timestamp(than.created_us)).add(than.id));
}

}  // namespace memoir::queue
