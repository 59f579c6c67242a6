// What do calls that take their time cost the daemon? 1,000 extract jobs of the real memoird against a chat
// double that answers after a second, 64 at a time, against the ideal of full rounds; how soon an embed job
// reaches the embedder meanwhile and when idle; and how soon the daemon ends with 64 calls in flight that
// would never. usage: bench_extract_calls [jobs [rounds]]

#include <condition_variable>
#include <fstream>
#include <random>
#include <thread>

#include "bench/bench.hpp"
#include "support/chat_double.hpp"
#include "support/memoird.hpp"

using namespace memoir;
using namespace std::chrono_literals;
using test::TestSchema;

namespace {

constexpr int calls = 64;

std::map<std::string, std::string> settings_for(const test::ChatDouble& chat) {
    auto settings = chat.settings();
    settings["extraction.max_concurrent"] = std::to_string(calls);
    settings["lanes.extract.kinds"] = "[\"extract\"]";
    settings["lanes.extract.loops"] = std::to_string(calls);
    settings["lanes.embed.kinds"] = "[\"embed\"]";
    settings["lanes.embed.loops"] = "2";
    settings["worker.poll_interval"] = "\"1s\"";
    settings["worker.drain_timeout"] = "\"2s\"";
    settings["log.level"] = "\"info\"";
    return settings;
}

void fill(TestSchema& schema, int jobs) {
    schema.sql("truncate $schema.memories, $schema.memory_jobs cascade");
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || n, 'a', 'o', "
        "'u', '[[m' || n || ']] likes tea' from generate_series(1, $1::bigint) n",
        pg::Params().add(std::int64_t{jobs}));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, payload) select pid, 'extract', "
        "'{\"origin\": \"remember\"}' from $schema.memories");
}

double resident_mib(pid_t pid, const std::string& field) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
    return 0;
}

// From just before an embed job is inserted until the embedder is asked for its text.
class PickUp {
  public:
    PickUp(TestSchema& schema, test::EmbeddingDouble& embedder) : schema_(schema) {
        embedder.before([this](const test::HttpRequest& request) {
            std::lock_guard lock(mutex_);
            if (!wanted_.empty() && request.body.find(wanted_) != std::string::npos) {
                arrived_ = Steady::now();
                wanted_.clear();
                asked_.notify_all();
            }
            return test::HttpReply{};
        });
    }

    double milliseconds() {
        const auto pid = "probe" + std::to_string(++count_);
        schema_.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) values ($1, 'a', 'o', "
            "'u', '<' || $1 || '>')",
            pg::Params().add(pid));
        std::unique_lock lock(mutex_);
        wanted_ = "<" + pid + ">";
        lock.unlock();
        const auto begun = Steady::now();
        schema_.sql("insert into $schema.memory_jobs (source_pid, kind) values ($1, 'embed')",
                    pg::Params().add(pid));
        lock.lock();
        if (!asked_.wait_for(lock, 30s, [this] { return wanted_.empty(); })) std::exit(2);
        return std::chrono::duration<double, std::milli>(arrived_ - begun).count();
    }

  private:
    TestSchema& schema_;
    std::mutex mutex_;
    std::condition_variable asked_;
    std::string wanted_;
    TimePoint arrived_{};
    int count_ = 0;
};

struct Measured {
    double took = 0, resident = 0, peak = 0;
    std::vector<double> idle, meanwhile;  // pick-up times in milliseconds
};

Measured drain_queue(int jobs) {
    test::Cluster cluster({.fsync = true, .config = {}});
    TestSchema schema(TestSchema::With::all, cluster);
    test::EmbeddingDouble embedder;
    test::ChatDouble chat;
    chat.says([&](const std::string& memory, const test::HttpRequest&) {
        auto reply = chat.facts({memory + " likes tea"});
        reply.delay = 1s;
        return reply;
    });
    PickUp pick_up(schema, embedder);
    test::Memoird memoird(schema, embedder, {.settings = settings_for(chat)});
    if (!memoird.ready()) std::exit(1);
    std::minstd_rand random(1);
    const auto sample = [&](std::vector<double>& times) {
        times.push_back(pick_up.milliseconds());
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 40));
    };
    Measured measured;
    for (int number = 0; number < 420; ++number) sample(measured.idle);
    measured.idle.erase(measured.idle.begin(), measured.idle.begin() + 20);

    fill(schema, jobs);
    const auto begun = Steady::now();
    while (schema.number("select count(*) from $schema.memory_jobs where kind = 'extract'") > 0) {
        sample(measured.meanwhile);
        measured.resident = std::max(measured.resident, resident_mib(memoird.process().pid(), "VmRSS"));
    }
    measured.took = bench::seconds(begun);
    measured.peak = resident_mib(memoird.process().pid(), "VmHWM");
    return measured;
}

// Seconds from TERM to the end; every row has to be back, with no attempt counted.
double drain_hanging() {
    test::Cluster cluster({.fsync = true, .config = {}});
    TestSchema schema(TestSchema::With::all, cluster);
    test::EmbeddingDouble embedder;
    std::atomic<int> hanging = 0;
    test::ChatDouble chat("ollama", [&](const std::string&, const test::HttpRequest&) {
        ++hanging;
        test::HttpReply reply;
        reply.fault = test::HttpReply::Fault::hang;
        return reply;
    });
    fill(schema, 2 * calls);
    test::Memoird memoird(schema, embedder, {.settings = settings_for(chat)});
    if (!memoird.ready()) std::exit(1);
    const auto begun = Steady::now();
    while (hanging < calls && bench::seconds(begun) < 60) std::this_thread::sleep_for(10ms);
    const auto asked = Steady::now();
    const auto code = memoird.stop(60s);
    const auto took = bench::seconds(asked);
    const auto back = schema.number(
        "select count(*) from $schema.memory_jobs where state = 'pending' and attempts = 0 and claimed_by is "
        "null");
    std::printf("drain: %d calls in flight, ended with %d after %.2f s, %lld of %d rows released\n",
                hanging.load(), code.value_or(-1), took, static_cast<long long>(back), 2 * calls);
    return back == 2 * calls ? took : 999;
}

}  // namespace

int main(int argc, char** argv) {
    const int jobs = argc > 1 ? std::atoi(argv[1]) : 1'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
    const int ideal = (jobs + calls - 1) / calls;
    std::vector<double> took, resident, ends, idle, meanwhile;
    for (int round = 0; round < rounds; ++round) {
        const auto measured = drain_queue(jobs);
        std::printf(
            "%d jobs in %.2f s (ideal %d), %.1f MiB resident, %.1f at most; embed pick-up p99 %.2f ms idle, "
            "%.2f meanwhile\n",
            jobs, measured.took, ideal, measured.resident, measured.peak,
            bench::quantile(measured.idle, 0.99), bench::quantile(measured.meanwhile, 0.99));
        std::fflush(stdout);
        took.push_back(measured.took / ideal);
        resident.push_back(measured.peak);
        // Of all rounds together: the 99th percentile of a few hundred is a matter of luck.
        idle.insert(idle.end(), measured.idle.begin(), measured.idle.end());
        meanwhile.insert(meanwhile.end(), measured.meanwhile.begin(), measured.meanwhile.end());
        ends.push_back(drain_hanging());
    }
    bench::figure("extract jobs of one second each, 64 at a time, against ideal", bench::median(took), " x",
                  bench::Wanted::at_most, 1.1);
    bench::figure("memoird's resident memory at its peak then", bench::median(resident), " MiB",
                  bench::Wanted::at_most, 40);
    for (const double q : {0.5, 0.9, 0.95, 0.98, 0.99, 1.0})
        std::printf("embed pick-up, quantile %.2f: %.2f ms idle, %.2f meanwhile\n", q,
                    bench::quantile(idle, q), bench::quantile(meanwhile, q));
    bench::figure("embed pick-up p99 meanwhile, against idle",
                  bench::quantile(meanwhile, 0.99) / bench::quantile(idle, 0.99), " x",
                  bench::Wanted::at_most, 2);
    bench::figure("drain with 64 calls that hang, time-out 2 s", bench::median(ends), " s",
                  bench::Wanted::at_most, 2.5);
    return 0;
}
