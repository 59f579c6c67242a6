#include "queue/edit.hpp"

#include <array>
#include <thread>

#include "pg/name.hpp"
#include "queue/fan_in.hpp"

namespace memoir::queue {
namespace {

constexpr std::int64_t retry_batch = 1'000;

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

std::string among_failed(const std::string& alias) {
    return alias + ".state = 'failed' and ($1::text is null or " + alias +
           ".kind = $1) and ($2::boolean or " + alias + ".failure_reason = any($3::text[]))";
}

pg::Params params_of(const Failed& which) {
    pg::Params params;
    params.add(which.kind).add(!which.reasons).array(which.reasons.value_or(std::vector<std::string>()));
    return params;
}

}  // namespace

std::optional<JobRow> retry_job(pg::Connection& connection, const std::string& schema, std::int64_t id) {
    return with_patience([&]() -> std::optional<JobRow> {
        pg::Transaction transaction(connection, pg::Transaction::Durability::on);
        const auto rows =
            transaction.exec("update " + pg::qualified(schema, "memory_jobs") +
                                 " j set state = 'pending', attempts = 0, failure_reason = null "
                                 "where j.id = $1::bigint and j.state = 'failed' returning " +
                                 job_columns(),
                             pg::Params().add(id));
        transaction.commit();
        if (rows.empty()) return std::nullopt;
        return read_job(rows, 0);
    });
}

std::string retry_begins(pg::Connection& connection) {
    return connection
        .exec("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        .string(0, 0);
}

std::int64_t retry_some(pg::Connection& connection, const std::string& schema, const Failed& which,
                        const std::string& begun, std::int64_t limit) {
    const auto table = pg::qualified(schema, "memory_jobs");
    return with_patience([&] {
        pg::Transaction transaction(connection, pg::Transaction::Durability::on);
        const auto result = transaction.exec(
            "update " + table +
                " j set state = 'pending', attempts = 0, failure_reason = null from (select f.id from " +
                table + " f where " + among_failed("f") +
                " and f.updated_at <= $4::timestamptz order by f.updated_at limit $5::bigint for update skip "
                "locked) chosen where j.id = chosen.id",
            params_of(which).add(begun).add(limit));
        transaction.commit();
        return result.affected();
    });
}

std::int64_t failed_since(pg::Connection& connection, const std::string& schema, const Failed& which,
                          const std::string& begun, std::int64_t cap) {
    return connection
        .exec("select count(*) from (select from " + pg::qualified(schema, "memory_jobs") + " f where " +
                  among_failed("f") + " and f.updated_at > $4::timestamptz limit $5::bigint) again",
              params_of(which).add(begun).add(cap))
        .integer(0, 0);
}

std::int64_t retry_all(pg::Connection& connection, const std::string& schema, const Failed& which,
                       bool dry_run) {
    if (dry_run)
        return connection
            .exec("select count(*) from " + pg::qualified(schema, "memory_jobs") + " f where " +
                      among_failed("f"),
                  params_of(which))
            .integer(0, 0);
    // Jobs that fail again meanwhile are not ours to retry a second time: their updated_at is later.
    const auto begun = retry_begins(connection);
    for (std::int64_t retried = 0;;) {
        const auto batch = retry_some(connection, schema, which, begun, retry_batch);
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
