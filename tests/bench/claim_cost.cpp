// Do claims stay cheap? The engine's claims, as pg_stat_statements times them, with a million pending rows of
// other kinds in front of its own against none; and a drain while an old transaction keeps every dead row
// from being vacuumed, against the same without. usage: bench_claim_cost [others [rows [rounds]]]

#include "bench/drain.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

constexpr int loops = 2;

// Mean of one claim in milliseconds, over a drain of `rows` jobs behind `others` rows of other kinds.
double claim_time(TestSchema& schema, int others, int rows) {
    bench::fill(schema, rows);
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, created_at) select 'm' || 1 + i % 1000, "
        "case when i % 2 = 0 then 'embed' else 'extract' end, now() - interval '1 day' + i * interval '1 ms' "
        "from generate_series(1, $1::integer) i",
        pg::Params().add(others));
    schema.sql("vacuum analyze $schema.memory_jobs");
    schema.sql("checkpoint");
    schema.sql("select pg_stat_statements_reset()");
    bench::drain_no_ops(schema, rows, loops, 8);
    return schema
        .sql(
            "select sum(total_exec_time + total_plan_time) / sum(calls) from pg_stat_statements where query "
            "like '%skip locked) "
            "update%' and query like '%''claimed''%' or query like '%skip locked) update%' and "
            "query like '%claimed_by = $%'")
        .real(0, 0);
}

double drain(TestSchema& schema, int rows, bool held) {
    bench::fill(schema, rows);
    const auto old = schema.connect();
    if (held) {
        old->exec("begin isolation level repeatable read");
        old->exec("select 1 from " + schema.name() + ".memory_jobs limit 1");
    }
    const auto rate = bench::drain_no_ops(schema, rows, loops, 32);
    if (held) old->exec("rollback");
    return rate;
}

}  // namespace

int main(int argc, char** argv) {
    const int others = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
    const int rows = argc > 2 ? std::atoi(argv[2]) : 500'000;
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
    test::Cluster cluster(
        {.fsync = true,
         .config = {"shared_buffers=512MB", "max_wal_size=8GB", "shared_preload_libraries=pg_stat_statements",
                    "pg_stat_statements.track_planning=on"}});
    TestSchema schema(TestSchema::With::all, cluster);
    schema.sql("create extension pg_stat_statements");
    std::vector<double> claims, drains;
    for (int round = 0; round < rounds; ++round) {
        const auto clean = claim_time(schema, 0, 20'000), behind = claim_time(schema, others, 20'000);
        std::printf("round %d: a claim of 8 takes %.3f ms, with %d rows of other kinds %.3f ms\n", round + 1,
                    clean, others, behind);
        claims.push_back(behind / clean);
        const bool first = round % 2 == 0;
        const auto a = drain(schema, rows, first), b = drain(schema, rows, !first);
        const auto held = first ? a : b, without = first ? b : a;
        std::printf("round %d: drain of %d rows: %.0f rows/s, with a transaction held open %.0f rows/s\n",
                    round + 1, rows, without, held);
        std::fflush(stdout);
        drains.push_back(held / without);
    }
    bench::figure("claim behind " + std::to_string(others) + " rows of other kinds, against none",
                  bench::median(claims), " x", bench::Wanted::at_most, 1.5);
    bench::figure("drain of " + std::to_string(rows) + " rows beside a held transaction, of without",
                  bench::median(drains), "", bench::Wanted::at_least, 0.9);
    return 0;
}
