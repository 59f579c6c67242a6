#include "queue/fan_in.hpp"

namespace memoir::queue {

int enqueue_synthesize(pg::Transaction& transaction, const std::string& schema,
                       std::span<const std::string> source_pids) {
    if (source_pids.empty()) return 0;
    const auto result = transaction.exec(
        "insert into " + schema +
            ".memory_jobs (source_pid, kind, payload, created_at, updated_at) "
            "select m.pid, 'synthesize', '{}', t.now, t.now from (select clock_timestamp() as now) t, " +
            schema + ".memories m where m.pid = any($1::text[]) and not exists (select from " + schema +
            ".memory_jobs j where j.source_pid = m.pid "
            "and j.kind in ('extract', 'relational_extract', 'synthesize'))",
        pg::Params().array(source_pids));
    return static_cast<int>(result.affected());
}

}  // namespace memoir::queue
