#pragma once
// A queue whose rows stand in every state that an operator can meet.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/inspect.hpp"
#include "support/postgres.hpp"

namespace memoir::test {

struct JobsInStates {
    TestSchema schema;
    std::unique_ptr<pg::Connection> connection = schema.connect();

    std::int64_t job(const std::string& kind, const std::string& change = "", const std::string& pid = "") {
        const auto id = schema.job(pid.empty() ? schema.memory("said") : pid, kind);
        if (!change.empty())
            schema.sql("update $schema.memory_jobs set " + change + " where id = $1::bigint",
                       pg::Params().add(id));
        return id;
    }
    std::int64_t failed(const std::string& kind, const std::string& pid = "") {
        return job(kind, "state = 'failed', attempts = 3, failure_reason = 'too long'", pid);
    }
    std::int64_t parked(const std::string& kind, const std::string& since = "0 s") {
        return job(kind,
                   "state = 'claimed', claimed_by = 'parked', claimed_at = clock_timestamp() - interval '" +
                       since + "'");
    }
    std::vector<std::int64_t> ids(const queue::JobFilter& filter) {
        std::vector<std::int64_t> found;
        for (const auto& job : queue::list_jobs(*connection, schema.name(), filter)) found.push_back(job.id);
        return found;
    }
    std::optional<queue::JobRow> find(std::int64_t id) {
        return queue::find_job(*connection, schema.name(), id);
    }
    std::int64_t synthesize_jobs(const std::string& pid) {
        return schema.number(
            "select count(*) from $schema.memory_jobs where kind = 'synthesize' and source_pid = $1",
            pg::Params().add(pid));
    }
    void stage(const std::string& pid) {
        schema.sql("insert into $schema.graph_triple_staging (source_pid) values ($1)",
                   pg::Params().add(pid));
    }
};

}  // namespace memoir::test
