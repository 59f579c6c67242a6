#pragma once
// What the benchmark programs share: a bare libpq connection for the baselines, medians, the line of a figure
// that scripts/bench collects into its table, and queues of many rows. Thread safety: none of its own.

#include <libpq-fe.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "support/postgres.hpp"

namespace memoir::bench {

inline double seconds(TimePoint since) {
    return std::chrono::duration<double>(Steady::now() - since).count();
}

// Of an unsorted list that is not empty; 0.5 is the median.
inline double quantile(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * part + 0.5)];
}
inline double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

enum class Wanted { at_least, at_most };

// One line of the table: question, value, what is wanted, whether it is met; tabs between them.
inline void figure(const std::string& question, double value, const std::string& unit, Wanted wanted,
                   double limit) {
    const bool least = wanted == Wanted::at_least;
    const bool met = least ? value >= limit : value <= limit;
    std::printf("figure\t%s\t%.3g%s\t%s %g%s\t%s\n", question.c_str(), value, unit.c_str(),
                least ? "at least" : "at most", limit, unit.c_str(), met ? "met" : "MISSED");
    std::fflush(stdout);
}

// What somebody without an engine would write.
class Bare {
  public:
    explicit Bare(const std::string& url) : handle_(PQconnectdb(url.c_str())) {}
    ~Bare() { PQfinish(handle_); }
    Bare(const Bare&) = delete;
    Bare& operator=(const Bare&) = delete;

    PGconn* handle() const { return handle_; }

    static void check(const PGresult* result) {
        const auto status = PQresultStatus(result);
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_PIPELINE_SYNC) return;
        const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        std::fprintf(stderr, "bench: a bare statement failed: %s\n", state ? state : "connection");
        std::exit(1);
    }

    // The first column of the first row; empty where there is none.
    std::string exec(const std::string& sql, std::initializer_list<const char*> values = {}) {
        PGresult* result = PQexecParams(handle_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                        values.begin(), nullptr, nullptr, 0);
        check(result);
        std::string first = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
        PQclear(result);
        return first;
    }

  private:
    PGconn* handle_;
};

// An empty queue, then `rows` pending jobs of one kind, each with a memory of its own.
inline void fill(test::TestSchema& schema, int rows, const std::string& kind = "synthesize") {
    schema.sql("truncate $schema.memories, $schema.memory_jobs cascade");
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', "
        "'u', 'x' from generate_series(1, $1::integer) i",
        pg::Params().add(rows));
    schema.sql("insert into $schema.memory_jobs (source_pid, kind) select pid, $1 from $schema.memories",
               pg::Params().add(kind));
    schema.sql("vacuum analyze $schema.memory_jobs");
    schema.sql("vacuum analyze $schema.memories");
    schema.sql("checkpoint");
}

}  // namespace memoir::bench
