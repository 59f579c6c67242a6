#include "queue/admin.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <thread>

#include "pg/name.hpp"
#include "queue/fan_in.hpp"
#include "queue/holder.hpp"
#include "queue/job.hpp"

namespace memoir::queue {
namespace {

constexpr int retry_batch = 1'000;

// What rowset() reads; no payload. parked_lease_seconds stands in it as text.
std::string columns() {
    const std::string time = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'";
    const std::string due = "(j.claimed_at + interval '" + std::to_string(parked_lease_seconds) + " s')";
    const auto seconds = [](const std::string& interval) {
        return "extract(epoch from " + interval + ")::double precision";
    };
    return "j.id, j.source_pid, j.kind, "
           "case when j.state = 'claimed' and j.claimed_by = 'parked' then 'parked' else j.state end, "
           "j.attempts, j.failure_reason, j.claimed_by, to_char(j.created_at at time zone 'UTC', " +
           time + "), to_char(j.updated_at at time zone 'UTC', " + time + "), " +
           seconds("clock_timestamp() - j.created_at") + ", " + seconds("clock_timestamp() - j.updated_at") +
           ", " + seconds("clock_timestamp() - j.claimed_at") + ", to_char(" + due + " at time zone 'UTC', " +
           time + "), " + seconds(due + " - clock_timestamp()");
}

JobRow read_job(const pg::Result& rows, int row) {
    JobRow job;
    job.id = rows.integer(row, 0);
    job.source_pid = rows.string(row, 1);
    job.kind = rows.string(row, 2);
    job.state = parse_job_state(rows.text(row, 3)).value_or(JobState::pending);
    job.attempts = static_cast<int>(rows.integer(row, 4));
    job.failure_reason = rows.optional(row, 5);
    job.claimed_by = rows.optional(row, 6);
    job.created_at = rows.string(row, 7);
    job.updated_at = rows.string(row, 8);
    job.age = rows.real(row, 9);
    job.unchanged_for = rows.real(row, 10);
    if (!rows.is_null(row, 11)) job.claimed_for = rows.real(row, 11);
    if (job.state == JobState::parked) {
        job.due_at = rows.optional(row, 12);
        if (!rows.is_null(row, 13)) job.due_in = rows.real(row, 13);
    }
    return job;
}

std::vector<JobRow> read_jobs(const pg::Result& rows) {
    std::vector<JobRow> jobs;
    for (int row = 0; row < rows.rows(); ++row) jobs.push_back(read_job(rows, row));
    return jobs;
}

std::string in_state(std::optional<JobState> state) {
    if (!state) return "true";
    switch (*state) {
        case JobState::pending:
            return "j.state = 'pending'";
        case JobState::parked:
            return "j.state = 'claimed' and j.claimed_by = 'parked'";
        case JobState::claimed:
            return "j.state = 'claimed' and j.claimed_by is distinct from 'parked'";
        case JobState::failed:
            return "j.state = 'failed'";
    }
    return "true";
}

// A settle or an agent holds the row for a moment; our lock_timeout gives up first, and comes again.
template <typename Work>
auto with_patience(Work&& work) {
    for (int attempt = 1;; ++attempt) {
        try {
            return work();
        } catch (const pg::Error& error) {
            if (error.error_class() != pg::ErrorClass::transaction || attempt == 10) throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

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

std::string_view to_string(JobState state) {
    switch (state) {
        case JobState::pending:
            return "pending";
        case JobState::parked:
            return "parked";
        case JobState::claimed:
            return "claimed";
        case JobState::failed:
            return "failed";
    }
    return "unknown";
}

std::optional<JobState> parse_job_state(std::string_view text) {
    for (const auto state : {JobState::pending, JobState::parked, JobState::claimed, JobState::failed})
        if (text == to_string(state)) return state;
    return std::nullopt;
}

bool JobRow::suspect() const {
    return state == JobState::pending && failure_reason && failure_reason->starts_with(suspect_prefix);
}

std::vector<JobRow> list_jobs(pg::Connection& connection, const std::string& schema,
                              const JobFilter& filter) {
    const std::string order =
        filter.state == JobState::failed ? "j.updated_at desc, j.id desc" : "j.created_at, j.id";
    return read_jobs(connection.exec("select " + columns() + " from " + pg::qualified(schema, "memory_jobs") +
                                         " j where " + in_state(filter.state) +
                                         " and ($1::text is null or j.kind = $1) order by " + order +
                                         " limit $2::bigint",
                                     pg::Params().add(filter.kind).add(filter.limit)));
}

std::optional<JobRow> find_job(pg::Connection& connection, const std::string& schema, std::int64_t id) {
    const auto rows = connection.exec("select " + columns() + " from " +
                                          pg::qualified(schema, "memory_jobs") + " j where j.id = $1::bigint",
                                      pg::Params().add(id));
    if (rows.empty()) return std::nullopt;
    return read_job(rows, 0);
}

std::vector<JobRow> siblings(pg::Connection& connection, const std::string& schema, const JobRow& job) {
    return read_jobs(connection.exec(
        "select " + columns() + " from " + pg::qualified(schema, "memory_jobs") +
            " j where j.source_pid = $1 and j.id <> $2::bigint "
            "and j.kind in ('extract', 'relational_extract', 'synthesize') order by j.created_at, j.id",
        pg::Params().add(job.source_pid).add(job.id)));
}

std::int64_t ahead_of(pg::Connection& connection, const std::string& schema, const JobRow& job,
                      std::int64_t cap) {
    // Its own created_at is read again: the text of ours is rounded.
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memory_jobs") + " j, " +
                  pg::qualified(schema, "memory_jobs") +
                  " self where self.id = $1::bigint and j.state = 'pending' and j.kind = $2 "
                  "and (j.created_at, j.id) < (self.created_at, self.id) limit $3::bigint) ahead",
              pg::Params().add(job.id).add(job.kind).add(cap))
        .integer(0, 0);
}

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

std::vector<Holding> holders(pg::Connection& connection, const std::string& schema) {
    // A claim has its own claimed_by; those of one process are put together here.
    const auto rows = connection.exec(
        "select coalesce(j.claimed_by, ''), j.kind, count(*), "
        "coalesce(max(extract(epoch from clock_timestamp() - j.claimed_at))::double precision, 0) from " +
        pg::qualified(schema, "memory_jobs") + " j where " + in_state(JobState::claimed) + " group by 1, 2");
    std::map<std::pair<std::string, std::string>, Holding> found;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto claimed_by = rows.string(row, 0);
        const auto holder = parse_holder(claimed_by);
        auto& held = found[{holder ? holder->nonce : claimed_by, rows.string(row, 1)}];
        if (holder) {
            held.holder = holder->host + ":" + std::to_string(holder->pid);
            held.nonce = holder->nonce;
        } else {
            held.holder = claimed_by.empty() ? "a worker without a name" : claimed_by;
        }
        held.kind = rows.string(row, 1);
        held.rows += rows.integer(row, 2);
        held.longest = std::max(held.longest, rows.real(row, 3));
    }
    std::vector<Holding> list;
    for (auto& [key, held] : found) list.push_back(std::move(held));
    std::sort(list.begin(), list.end(), [](const Holding& a, const Holding& b) {
        return std::tie(a.holder, a.kind) < std::tie(b.holder, b.kind);
    });
    return list;
}

std::int64_t overdue_claims(pg::Connection& connection, const std::string& schema,
                            std::chrono::milliseconds lease, std::chrono::milliseconds foreign_lease) {
    const auto before = [](const char* parameter) {
        return std::string("claimed_at < clock_timestamp() - ") + parameter +
               "::bigint * interval '1 millisecond'";
    };
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memory_jobs") +
                  " where state = 'claimed' and case when claimed_by = 'parked' then " +
                  before("($1 + 60000)") + " when claimed_by like 'memoird/%' then " + before("$1") +
                  " else " + before("$2") + " end limit $3::bigint) j",
              pg::Params()
                  .add(static_cast<std::int64_t>(2 * lease.count()))
                  .add(static_cast<std::int64_t>(2 * foreign_lease.count()))
                  .add(depth_cap))
        .integer(0, 0);
}

std::int64_t count_jobs(pg::Connection& connection, const std::string& schema, const JobFilter& filter) {
    return connection
        .exec("select count(*) from " + pg::qualified(schema, "memory_jobs") + " j where " +
                  in_state(filter.state) + " and ($1::text is null or j.kind = $1)",
              pg::Params().add(filter.kind))
        .integer(0, 0);
}

std::optional<JobRow> retry_job(pg::Connection& connection, const std::string& schema, std::int64_t id) {
    return with_patience([&]() -> std::optional<JobRow> {
        pg::Transaction transaction(connection, pg::Transaction::Durability::on);
        const auto rows =
            transaction.exec("update " + pg::qualified(schema, "memory_jobs") +
                                 " j set state = 'pending', attempts = 0, failure_reason = null "
                                 "where j.id = $1::bigint and j.state = 'failed' returning " +
                                 columns(),
                             pg::Params().add(id));
        transaction.commit();
        if (rows.empty()) return std::nullopt;
        return read_job(rows, 0);
    });
}

std::int64_t retry_all(pg::Connection& connection, const std::string& schema,
                       const std::optional<std::string>& kind, bool dry_run) {
    if (dry_run) return count_jobs(connection, schema, {JobState::failed, kind});
    // Jobs that fail again meanwhile are not ours to retry a second time: their updated_at is later.
    const auto begun =
        connection
            .exec("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            .string(0, 0);
    std::int64_t retried = 0;
    for (;;) {
        const auto batch = with_patience([&] {
            pg::Transaction transaction(connection, pg::Transaction::Durability::on);
            const auto result = transaction.exec(
                "update " + pg::qualified(schema, "memory_jobs") +
                    " j set state = 'pending', attempts = 0, failure_reason = null from "
                    "(select f.id from " +
                    pg::qualified(schema, "memory_jobs") +
                    " f where f.state = 'failed' and ($1::text is null or f.kind = $1) "
                    "and f.updated_at <= $2::timestamptz order by f.updated_at limit $3::bigint "
                    "for update skip locked) chosen where j.id = chosen.id",
                pg::Params().add(kind).add(begun).add(retry_batch));
            transaction.commit();
            return result.affected();
        });
        retried += batch;
        if (batch < retry_batch) return retried;
    }
}

std::optional<Deleted> delete_job(pg::Connection& connection, const std::string& schema, std::int64_t id,
                                  bool graph) {
    return with_patience([&]() -> std::optional<Deleted> {
        const auto job = find_job(connection, schema, id);
        if (!job || job->state != JobState::failed) return std::nullopt;
        Deleted deleted{*job};
        pg::Transaction transaction(connection, pg::Transaction::Durability::on);
        // Three statements, in the order of every settle: the source's lock, the row, the look.
        transaction.exec(
            "select from " + pg::qualified(schema, "memories") + " where pid = $1 for no key update",
            pg::Params().add(job->source_pid));
        const auto gone = transaction.exec("delete from " + pg::qualified(schema, "memory_jobs") +
                                               " where id = $1::bigint and state = 'failed' returning id",
                                           pg::Params().add(id));
        if (gone.empty()) return std::nullopt;
        if (graph && (job->kind == "extract" || job->kind == "relational_extract")) {
            const std::array pids{job->source_pid};
            deleted.synthesize_enqueued = enqueue_synthesize(transaction, schema, pids) > 0;
        }
        if (job->kind == "synthesize")
            transaction.exec(
                "delete from " + pg::qualified(schema, "graph_triple_staging") + " where source_pid = $1",
                pg::Params().add(job->source_pid));
        transaction.commit();
        return deleted;
    });
}

}  // namespace memoir::queue
