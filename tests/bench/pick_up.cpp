// How soon is a single job on an idle daemon done? From the commit of its insert to the commit of its settle,
// as the server itself recorded them (track_commit_timestamp), for the real memoird beside a bare program
// that listens, claims and deletes. Each has a server of its own; jobs go to them in turn.
// usage: bench_pick_up [jobs]

#include <poll.h>

#include <latch>
#include <random>
#include <stdexcept>
#include <thread>

#include "bench/bench.hpp"
#include "queue/claim.hpp"
#include "queue/settle.hpp"
#include "schema/schema.hpp"
#include "support/memoird.hpp"

using namespace memoir;
using bench::Bare;
using test::TestSchema;

namespace {

class Side {
  public:
    Side()
        : cluster_({.fsync = true, .config = {"track_commit_timestamp=on"}}),
          schema_(TestSchema::With::all, cluster_) {
        // The transaction that removes a job leaves its number.
        schema_.sql("create unlogged table $schema.gone (job bigint, xid xid)");
        schema_.sql(
            "create function $schema.note() returns trigger language plpgsql as $body$ begin insert into "
            "$schema.gone values (old.id, pg_current_xact_id()::xid); return null; end $body$");
        schema_.sql(
            "create trigger note after delete on $schema.memory_jobs for each row execute function "
            "$schema.note()");
        source_ = schema_.memory("x");
        schema_.sql("set synchronous_commit = off");
    }
    TestSchema& schema() { return schema_; }

    // Milliseconds between the two commits.
    double job() {
        const auto row = schema_.sql(
            "insert into $schema.memory_jobs (source_pid, kind) values ($1, 'synthesize') returning id, "
            "pg_current_xact_id()::text",
            pg::Params().add(source_));
        for (int looks = 0; looks < 1'000; ++looks) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            const auto took = schema_.sql(
                "select extract(epoch from pg_xact_commit_timestamp(xid) - "
                "pg_xact_commit_timestamp($2::text::xid)) * 1000 from $schema.gone where job = $1",
                pg::Params().add(row.integer(0, 0)).add(row.string(0, 1)));
            if (!took.empty()) return took.real(0, 0);
        }
        throw std::runtime_error("a job was not done within 10 s");
    }

  private:
    test::Cluster cluster_;
    TestSchema schema_;
    std::string source_;
};

enum class Manner {
    simplest,    // one connection for everything, and the shortest SQL that does it
    as_memoird,  // LISTEN on a connection of its own, and the engine's statements
};

void listen_and_claim(const TestSchema& schema, Manner manner, std::latch& listening,
                      const std::stop_token& stop) {
    Bare listener(schema.options().conninfo), other(schema.options().conninfo);
    auto& worker = manner == Manner::simplest ? listener : other;
    const auto table = "\"" + schema.name() + "\".memory_jobs";
    const auto simple_claim = "update " + table +
                              " set state = 'claimed', claimed_at = clock_timestamp(), claimed_by = 'bare' "
                              "where id = (select id from " +
                              table +
                              " where kind = $1 and state = 'pending' order by created_at, id limit 1 for "
                              "update skip locked) returning id, source_pid, payload, attempts";
    const auto simple_remove =
        "delete from " + table + " where id = $1 and state = 'claimed' and claimed_by = 'bare'";
    const auto claim = queue::claim(schema.name(), "bare", "synthesize", {}, 8, true).sql;
    const std::vector<queue::Fence> any{{1, "bare"}};
    const auto remove = queue::remove(schema.name(), any, queue::Commit::asynchronous).sql;
    worker.exec("set synchronous_commit = off");
    listener.exec("listen \"" + schema::channel(schema.name()) + "\"");
    listening.count_down();
    while (!stop.stop_requested()) {
        pollfd socket{PQsocket(listener.handle()), POLLIN, 0};
        if (poll(&socket, 1, 100) == 0) continue;
        PQconsumeInput(listener.handle());
        while (PGnotify* notification = PQnotifies(listener.handle())) {
            const auto kind = notification->extra;
            const auto id = manner == Manner::simplest
                                ? worker.exec(simple_claim, {kind})
                                : worker.exec(claim, {"bare", kind, "8", "-infinity", "0"});
            if (!id.empty() && manner == Manner::simplest) worker.exec(simple_remove, {id.c_str()});
            if (!id.empty() && manner == Manner::as_memoird)
                worker.exec(remove, {("{" + id + "}").c_str(), "bare"});
            PQfreemem(notification);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int jobs = argc > 1 ? std::atoi(argv[1]) : 1'000;
    constexpr int warm_up = 20;
    Side ours, simplest, alike;
    test::EmbeddingDouble unused;
    test::Memoird memoird(ours.schema(), unused,
                          {.settings = {{"lanes.derive.kinds", "[\"synthesize\"]"},
                                        {"lanes.derive.loops", "2"},
                                        {"lanes.derive.batch", "8"},
                                        {"worker.poll_interval", "\"1s\""},
                                        {"log.level", "\"info\""}}});
    if (!memoird.ready()) {
        std::fprintf(stderr, "memoird does not start\n");
        return 1;
    }
    std::latch listening(2);
    const auto bare = [&](Side& side, Manner manner) {
        return std::jthread([&, manner](const std::stop_token& stop) {
            listen_and_claim(side.schema(), manner, listening, stop);
        });
    };
    const auto one = bare(simplest, Manner::simplest), two = bare(alike, Manner::as_memoird);
    listening.wait();
    struct Runner {
        Side& side;
        std::vector<double> times{};
    };
    Runner runners[] = {{simplest}, {alike}, {ours}};
    std::minstd_rand random(1);
    for (int number = 0; number < jobs + warm_up; ++number)
        for (auto& runner : runners) {
            const auto took = runner.side.job();
            if (number >= warm_up) runner.times.push_back(took);
            std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 20));
        }
    const auto row = [](const char* name, const std::vector<double>& times) {
        std::printf("%-52s p50 %.2f ms, p90 %.2f ms, p99 %.2f ms\n", name, bench::median(times),
                    bench::quantile(times, 0.9), bench::quantile(times, 0.99));
    };
    std::printf("pick-up of a single job, %d each, commit of the insert to commit of the settle\n", jobs);
    row("bare program", runners[0].times);
    row("the same with memoird's statements and connections", runners[1].times);
    row("memoird", runners[2].times);
    bench::figure("pick-up of a single job, p50 against a bare program",
                  bench::median(runners[2].times) / bench::median(runners[0].times), " x",
                  bench::Wanted::at_most, 1.3);
    return 0;
}
