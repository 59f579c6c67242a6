#include "queue/depth.hpp"

#include <algorithm>

#include "pg/name.hpp"
#include "queue/job.hpp"

namespace memoir::queue {
namespace {

// The order that an index has makes the planner use it: a kind that most rows have looks to it like one that
// a scan finds at once, and for the others it would read the whole table (measured with a million rows of one
// kind: 1 s, by the indexes 80 ms).
pg::Statement depth_by_index(const std::string& schema, std::int64_t cap) {
    const auto jobs = pg::qualified(schema, "memory_jobs");
    const auto count = [&](JobState state, const std::string& order) {
        return "(select count(*) from (select from " + jobs + " j where j.kind = k.kind and " +
               in_state(state) + order + " limit $2::bigint) counted)";
    };
    return {"select k.kind, " + count(JobState::pending, " order by j.created_at, j.id") + ", " +
                count(JobState::parked, "") + ", " + count(JobState::claimed, "") + ", " +
                count(JobState::failed, " order by j.updated_at") +
                ", (select extract(epoch from clock_timestamp() - j.created_at)::double precision from " +
                jobs +
                " j where j.kind = k.kind and j.state = 'pending' order by j.created_at, j.id "
                "limit 1) from unnest($1::text[]) with ordinality as k (kind, n) order by k.n",
            pg::Params().array(std::vector<std::string>(all_kinds.begin(), all_kinds.end())).add(cap + 1)};
}

// One pass over the table instead of a scan for each kind and state (300 ms instead of 3 s, measured
// likewise).
pg::Statement depth_by_scan(const std::string& schema) {
    const auto count = [&](JobState state) { return "count(*) filter (where " + in_state(state) + ")"; };
    return {
        "select k.kind, coalesce(c.pending, 0), coalesce(c.parked, 0), coalesce(c.claimed, 0), "
        "coalesce(c.failed, 0), extract(epoch from clock_timestamp() - c.oldest)::double precision from "
        "unnest($1::text[]) with ordinality as k (kind, n) left join (select j.kind, " +
            count(JobState::pending) + " as pending, " + count(JobState::parked) + " as parked, " +
            count(JobState::claimed) + " as claimed, " + count(JobState::failed) +
            " as failed, min(j.created_at) filter (where j.state = 'pending') as oldest from " +
            pg::qualified(schema, "memory_jobs") + " j group by j.kind) c on c.kind = k.kind order by k.n",
        pg::Params().array(std::vector<std::string>(all_kinds.begin(), all_kinds.end()))};
}

}  // namespace

pg::Statement depth_statement(const std::string& schema, bool indexed, std::int64_t cap) {
    return indexed ? depth_by_index(schema, cap) : depth_by_scan(schema);
}

std::int64_t Depth::count(JobState state) const {
    switch (state) {
        case JobState::pending:
            return pending;
        case JobState::parked:
            return parked;
        case JobState::claimed:
            return claimed;
        case JobState::failed:
            return failed;
    }
    return 0;
}

std::vector<Depth> read_depths(const pg::Result& result, std::int64_t cap) {
    std::vector<Depth> depths;
    for (int row = 0; row < result.rows(); ++row) {
        Depth depth;
        depth.kind = result.string(row, 0);
        int column = 1;
        for (auto* count : {&depth.pending, &depth.parked, &depth.claimed, &depth.failed}) {
            const auto counted = result.integer(row, column);
            depth.beyond.at(static_cast<std::size_t>(column - 1)) = counted > cap;
            depth.capped |= counted > cap;
            *count = std::min(counted, cap);
            ++column;
        }
        if (!result.is_null(row, column)) depth.oldest = result.real(row, column);
        depths.push_back(std::move(depth));
    }
    return depths;
}

}  // namespace memoir::queue
