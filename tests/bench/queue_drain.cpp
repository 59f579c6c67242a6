// How much of what PostgreSQL can do does the engine leave? Drains no-ops through the ordinary path (claim,
// stage, settle, events as JSON lines) beside the same claims and deletes in bare SQL from a loop over libpq,
// and beside claim-one, delete-one on one connection. The bare loop sends the very statements of the engine.
// usage: bench_queue_drain [rows [rounds]]

#include <atomic>
#include <thread>

#include "bench/drain.hpp"
#include "queue/claim.hpp"
#include "queue/columns.hpp"
#include "queue/settle.hpp"

using namespace memoir;
using bench::Bare;
using test::TestSchema;

namespace {

constexpr int loops = 2, batch = 256;

// One connection: the delete of the last batch and the claim of the next in one pipeline, as the engine does.
void bare_loop(const std::string& url, const std::string& schema, int number, std::atomic<long>& done) {
    Bare connection(url);
    connection.exec("set synchronous_commit = off");
    const std::string by = "bare/" + std::to_string(number);
    const auto claim = queue::claim(schema, by, "synthesize", {}, batch, true).sql;
    const std::vector<queue::Fence> any{{1, by}};
    const auto remove = queue::remove(schema, any, queue::Commit::asynchronous).sql;
    std::string ids, after = "-infinity", after_id = "0";
    const std::string limit = std::to_string(batch);
    auto* handle = connection.handle();
    PQenterPipelineMode(handle);
    while (true) {
        const bool removing = !ids.empty();
        if (removing) {
            ids.back() = '}';
            const char* values[] = {ids.c_str(), by.c_str()};
            PQsendQueryParams(handle, remove.c_str(), 2, nullptr, values, nullptr, nullptr, 0);
            PQpipelineSync(handle);
        }
        const char* values[] = {by.c_str(), "synthesize", limit.c_str(), after.c_str(), after_id.c_str()};
        PQsendQueryParams(handle, claim.c_str(), 5, nullptr, values, nullptr, nullptr, 0);
        PQpipelineSync(handle);
        ids.clear();
        int rows = 0;
        for (int syncs = removing ? 2 : 1; syncs > 0;) {
            PGresult* result = PQgetResult(handle);
            if (!result) continue;
            Bare::check(result);
            if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) --syncs;
            // The delete returns ids alone.
            if (PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) > 1) {
                rows = PQntuples(result);
                long largest = 0;
                for (int row = 0; row < rows; ++row) {
                    ids += (row == 0 ? "{" : "") + std::string(PQgetvalue(result, row, 0)) + ",";
                    if (std::atol(PQgetvalue(result, row, 0)) > largest) {
                        largest = std::atol(PQgetvalue(result, row, 0));
                        after = queue::timestamp(std::atol(PQgetvalue(result, row, 6)));
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
    bench::fill(schema, rows);
    const auto begun = Steady::now();
    std::atomic<long> done = 0;
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < loops; ++number)
            threads.emplace_back(
                [&, number] { bare_loop(schema.options().conninfo, schema.name(), number, done); });
    }
    const auto took = bench::seconds(begun);
    if (done != rows) std::exit(2);
    return rows / took;
}

// The library's way, for a part of the rows: one claim, one delete, each its own durable transaction.
double one_by_one(TestSchema& schema, int rows) {
    bench::fill(schema, rows);
    Bare connection(schema.options().conninfo);
    const auto table = "\"" + schema.name() + "\".memory_jobs";
    const auto claim = "update " + table +
                       " set state = 'claimed', claimed_at = now(), claimed_by = 'one' where id = (select id "
                       "from " +
                       table +
                       " where state = 'pending' order by created_at limit 1 for update skip locked) "
                       "returning id";
    const auto remove = "delete from " + table + " where id = $1 and state = 'claimed'";
    const auto begun = Steady::now();
    for (int row = 0; row < rows; ++row) {
        const auto id = connection.exec(claim);
        connection.exec(remove, {id.c_str()});
    }
    return rows / bench::seconds(begun);
}

double engine(TestSchema& schema, int rows) {
    bench::fill(schema, rows);
    return bench::drain_no_ops(schema, rows, loops, batch);
}

}  // namespace

int main(int argc, char** argv) {
    const int rows = argc > 1 ? std::atoi(argv[1]) : 200'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    test::Cluster cluster({.fsync = true, .config = {"shared_buffers=512MB", "max_wal_size=8GB"}});
    TestSchema schema(TestSchema::With::all, cluster);
    std::vector<double> ours, theirs, ratios;
    for (int round = 0; round < rounds; ++round) {
        // Taking turns in going first.
        if (round % 2 == 0) theirs.push_back(bare(schema, rows));
        ours.push_back(engine(schema, rows));
        if (round % 2 != 0) theirs.push_back(bare(schema, rows));
        ratios.push_back(ours.back() / theirs.back());
        std::printf("round %d: bare loop %.0f rows/s, engine %.0f rows/s, ratio %.2f\n", round + 1,
                    theirs.back(), ours.back(), ratios.back());
        std::fflush(stdout);
    }
    const double single = one_by_one(schema, std::max(1, rows / 50));
    std::printf("claim-one, delete-one: %.0f rows/s\n", single);
    bench::figure("no-op drain, of a bare loop's speed", bench::median(ratios), "", bench::Wanted::at_least,
                  0.9);
    bench::figure("no-op drain, against claim-one, delete-one", bench::median(ours) / single, " x",
                  bench::Wanted::at_least, 25);
    return 0;
}
