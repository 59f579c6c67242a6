// What does an idle memoird cost? The real program with 64 loops, no model, over a unix socket: statements a
// second as the server counts them, CPU time, resident memory; beside it a bare program that does nothing but
// ask for one pending row a second. usage: bench_idle [seconds]

#include <dirent.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "bench/bench.hpp"
#include "support/memoird.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

// Of all threads, in seconds, to the nanosecond.
double cpu_seconds(pid_t pid) {
    double total = 0;
    std::error_code ended;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ended)) {
        std::ifstream schedstat(task.path() / "schedstat");
        double nanoseconds = 0;
        schedstat >> nanoseconds;
        total += nanoseconds / 1e9;
    }
    return total;
}

double mib_of(pid_t pid, const std::string& key) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) / 1024;
    return 0;
}

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Share of a core that one statement a second costs a program that does nothing else.
double bare_poll(const TestSchema& schema, int length) {
    bench::Bare connection(schema.options().conninfo);
    const auto begun = thread_seconds();
    for (int second = 0; second < length; ++second) {
        connection.exec("select id from \"" + schema.name() +
                        "\".memory_jobs where kind = 'synthesize' and state = 'pending' order by created_at, "
                        "id limit 1");
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return 100 * (thread_seconds() - begun) / length;
}

}  // namespace

int main(int argc, char** argv) {
    const int length = argc > 1 ? std::atoi(argv[1]) : 30;
    test::Cluster cluster({.config = {"shared_preload_libraries=pg_stat_statements"}});
    TestSchema schema(TestSchema::With::all, cluster);
    schema.sql("create extension pg_stat_statements");
    test::EmbeddingDouble unused;
    test::Memoird memoird(schema, unused,
                          {.settings = {{"lanes.one.kinds", "[\"synthesize\"]"},
                                        {"lanes.one.loops", "32"},
                                        {"lanes.two.kinds", "[\"relational_extract\"]"},
                                        {"lanes.two.loops", "32"},
                                        {"worker.poll_interval", "\"1s\""},
                                        {"log.level", "\"info\""}}});
    if (!memoird.ready()) {
        std::fprintf(stderr, "memoird does not start\n%s", memoird.log().c_str());
        return 1;
    }
    const auto pid = memoird.process().pid();
    std::this_thread::sleep_for(std::chrono::seconds(3));  // start-up is over
    schema.sql("select pg_stat_statements_reset()");
    const auto cpu = cpu_seconds(pid);
    const auto begun = Steady::now();
    std::this_thread::sleep_for(std::chrono::seconds(length));
    const auto passed = bench::seconds(begun);
    const auto share = 100 * (cpu_seconds(pid) - cpu) / passed;
    const auto statements = schema.sql(
        "select query, sum(calls)::bigint from pg_stat_statements where query not like "
        "'%pg_stat_statements%' "
        "group by query order by 2 desc");
    double calls = 0;
    std::printf("idle for %.0f s with 64 loops; the statements:\n", passed);
    for (int row = 0; row < statements.rows(); ++row) {
        calls += static_cast<double>(statements.integer(row, 1));
        std::printf("  %4ld x %.70s\n", static_cast<long>(statements.integer(row, 1)),
                    statements.string(row, 0).c_str());
    }
    std::printf("memoird: %.2f %% of a core, RSS %.1f MiB (of it files %.1f MiB), highest %.1f MiB\n", share,
                mib_of(pid, "VmRSS"), mib_of(pid, "RssFile"), mib_of(pid, "VmHWM"));
    std::printf("a bare loop with one statement a second: %.2f %% of a core\n",
                bare_poll(schema, std::min(length, 10)));
    bench::figure("idle with 64 loops: statements a second", calls / passed, "", bench::Wanted::at_most, 2);
    bench::figure("idle with 64 loops: share of a core", share, " %", bench::Wanted::at_most, 0.2);
    bench::figure("idle with 64 loops: RSS", mib_of(pid, "VmRSS"), " MiB", bench::Wanted::at_most, 20);
    return 0;
}
