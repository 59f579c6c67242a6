// How much of what PostgreSQL can do does the engine leave? Drains no-ops through the ordinary path (claim,
// stage, settle, events as JSON lines) beside the same claims and deletes in bare SQL from a loop over libpq,
// and beside claim-one, delete-one on one connection. usage: bench_queue_drain [rows [rounds]]

#include <fcntl.h>
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "support/postgres.hpp"
#include "telemetry/sink_log.hpp"
#include "telemetry/stream_sink.hpp"
#include "work/engine.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

constexpr int loops = 2, batch = 256;

double seconds(TimePoint since) {
    return std::chrono::duration<double>(Steady::now() - since).count();
}

void fill(TestSchema& schema, int rows) {
    schema.sql("truncate $schema.memories, $schema.memory_jobs cascade");
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', 'o', "
        "'u', "
        "'x' from generate_series(1, $1::integer) i",
        pg::Params().add(rows));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select pid, 'synthesize' from $schema.memories");
    schema.sql("vacuum analyze $schema.memory_jobs");
    schema.sql("vacuum analyze $schema.memories");
    schema.sql("checkpoint");
}

struct Connection {
    explicit Connection(const std::string& url) : handle(PQconnectdb(url.c_str())) {}
    ~Connection() { PQfinish(handle); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    PGconn* handle;
};

void check(const PGresult* result) {
    const auto status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_PIPELINE_SYNC) return;
    std::fprintf(stderr, "bench: %s\n", PQresultErrorField(result, PG_DIAG_SQLSTATE));
    std::exit(1);
}

// One connection: the delete of the last batch and the claim of the next in one pipeline, as the engine does.
void bare_loop(const std::string& url, const std::string& schema, int number, std::atomic<long>& done) {
    Connection connection(url);
    PQclear(PQexec(connection.handle, "set synchronous_commit = off"));
    const std::string claim =
        "with c as materialized (select id from \"" + schema +
        "\".memory_jobs where kind = 'synthesize' and state = 'pending' and (created_at, id) > "
        "($1::timestamptz, "
        "$2::bigint) order by created_at, id limit $3 for update skip locked) update \"" +
        schema +
        "\".memory_jobs j set state = 'claimed', claimed_at = clock_timestamp(), claimed_by = $4 from c "
        "where j.id = "
        "c.id returning j.id, j.source_pid, j.payload, j.attempts, j.created_at";
    const std::string remove =
        "delete from \"" + schema +
        "\".memory_jobs where id = any($1::bigint[]) and state = 'claimed' and claimed_by = $2";
    std::string ids, after = "-infinity", after_id = "0";
    const std::string limit = std::to_string(batch), by = "bare/" + std::to_string(number);
    PQenterPipelineMode(connection.handle);
    while (true) {
        const bool removing = !ids.empty();
        if (removing) {
            ids.back() = '}';
            const char* values[] = {ids.c_str(), by.c_str()};
            PQsendQueryParams(connection.handle, remove.c_str(), 2, nullptr, values, nullptr, nullptr, 0);
            PQpipelineSync(connection.handle);
        }
        const char* values[] = {after.c_str(), after_id.c_str(), limit.c_str(), by.c_str()};
        PQsendQueryParams(connection.handle, claim.c_str(), 4, nullptr, values, nullptr, nullptr, 0);
        PQpipelineSync(connection.handle);
        ids.clear();
        int rows = 0;
        for (int syncs = removing ? 2 : 1; syncs > 0;) {
            PGresult* result = PQgetResult(connection.handle);
            if (!result) continue;
            check(result);
            if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) --syncs;
            if (PQresultStatus(result) == PGRES_TUPLES_OK) {
                rows = PQntuples(result);
                long largest = 0;
                for (int row = 0; row < rows; ++row) {
                    ids += (row == 0 ? "{" : "") + std::string(PQgetvalue(result, row, 0)) + ",";
                    if (std::atol(PQgetvalue(result, row, 0)) > largest) {
                        largest = std::atol(PQgetvalue(result, row, 0));
                        after = PQgetvalue(result, row, 4);
                        after_id = PQgetvalue(result, row, 0);
                    }
                }
            }
            PQclear(result);
        }
        done += rows;
        if (rows == 0) return;
    }
}

double bare(TestSchema& schema, int rows) {
    fill(schema, rows);
    const auto begun = Steady::now();
    std::atomic<long> done = 0;
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < loops; ++number)
            threads.emplace_back(
                [&, number] { bare_loop(schema.options().conninfo, schema.name(), number, done); });
    }
    const auto took = seconds(begun);
    if (done != rows) std::exit(2);
    return rows / took;
}

// The library's way, for a part of the rows: one claim, one delete, each its own durable transaction.
double one_by_one(TestSchema& schema, int rows) {
    fill(schema, rows);
    Connection connection(schema.options().conninfo);
    const std::string claim =
        "update \"" + schema.name() +
        "\".memory_jobs set state = 'claimed', claimed_at = now(), claimed_by = 'one' where id = "
        "(select id from \"" +
        schema.name() +
        "\".memory_jobs where state = 'pending' order by created_at limit 1 for update skip "
        "locked) returning id";
    const std::string remove =
        "delete from \"" + schema.name() + "\".memory_jobs where id = $1 and state = 'claimed'";
    const auto begun = Steady::now();
    for (int row = 0; row < rows; ++row) {
        PGresult* claimed =
            PQexecParams(connection.handle, claim.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
        check(claimed);
        const char* values[] = {PQgetvalue(claimed, 0, 0)};
        PGresult* removed =
            PQexecParams(connection.handle, remove.c_str(), 1, nullptr, values, nullptr, nullptr, 0);
        check(removed);
        PQclear(removed);
        PQclear(claimed);
    }
    return rows / seconds(begun);
}

double engine(TestSchema& schema, int rows) {
    fill(schema, rows);
    std::FILE* sink = std::tmpfile();
    double rate = 0;
    {
        telemetry::SinkLog log(std::make_unique<telemetry::StreamSink>(sink, telemetry::Lines::json),
                               telemetry::Level::info);
        pg::Pool pool(schema.options(), loops + 1);
        work::EngineSettings settings;
        settings.options.lanes = {{"derive", {"synthesize"}, loops, batch}};
        settings.schema = schema.name();
        settings.host = "bench";
        settings.indexed = true;
        settings.database = schema.options();
        work::Engine engine(settings, {{"synthesize", {}}}, pool, log);
        const auto begun = Steady::now();
        engine.start();
        while (engine.tally().succeeded < static_cast<std::uint64_t>(rows))
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        rate = rows / seconds(begun);
        engine.drain({});
        log.flush(Milliseconds(10'000));
        if (log.dropped() > 0) std::printf("  (events dropped: %lu)\n", log.dropped());
    }
    std::fclose(sink);
    return rate;
}

}  // namespace

int main(int argc, char** argv) {
    const int rows = argc > 1 ? std::atoi(argv[1]) : 200'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
    test::Cluster cluster({.fsync = true, .config = {"shared_buffers=512MB", "max_wal_size=8GB"}});
    TestSchema schema(TestSchema::With::all, cluster);
    std::vector<double> ours, theirs;
    for (int round = 0; round < rounds; ++round) {
        theirs.push_back(bare(schema, rows));
        ours.push_back(engine(schema, rows));
        std::printf("round %d: bare loop %.0f rows/s, engine %.0f rows/s, ratio %.2f\n", round + 1,
                    theirs.back(), ours.back(), ours.back() / theirs.back());
        std::fflush(stdout);
    }
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    const auto middle = static_cast<std::size_t>(rounds / 2);
    const double single = one_by_one(schema, std::max(1, rows / 50));
    std::printf(
        "no-op drain of %d rows, medians: bare loop %.0f rows/s, engine %.0f rows/s (%.2f of it, wanted "
        "0.90)\n",
        rows, theirs[middle], ours[middle], ours[middle] / theirs[middle]);
    std::printf("claim-one, delete-one: %.0f rows/s; the engine is %.0f x faster (wanted 25)\n", single,
                ours[middle] / single);
    return 0;
}
