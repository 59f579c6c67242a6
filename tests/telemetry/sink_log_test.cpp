#include "telemetry/sink_log.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "support/wait.hpp"

using namespace memoir::telemetry;
using memoir::Milliseconds;
using memoir::test::eventually;

namespace {

// What a sink got, shared with the test; can be stalled like a journald that is stopped.
struct Receiver {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool stalled = false, waiting = false;
    std::size_t refuse = 0;  // of the next batch
    std::vector<Stamped> events;

    void stall(bool value) {
        std::lock_guard lock(mutex);
        stalled = value;
        changed.notify_all();
    }
    bool is_waiting() {
        std::lock_guard lock(mutex);
        return waiting;
    }
    std::vector<Stamped> named(std::string_view name) {
        std::lock_guard lock(mutex);
        auto all = events;
        std::erase_if(all, [&](const Stamped& stamped) { return stamped.event.name != name; });
        return all;
    }
    std::size_t size() {
        std::lock_guard lock(mutex);
        return events.size();
    }
};

class FakeSink : public Sink {
  public:
    explicit FakeSink(std::shared_ptr<Receiver> receiver) : receiver_(std::move(receiver)) {}
    std::size_t write(std::span<const Stamped> events, std::stop_token stop) override {
        Receiver& to = *receiver_;
        std::unique_lock lock(to.mutex);
        to.waiting = to.stalled;
        if (!to.changed.wait(lock, stop, [&] { return !to.stalled; })) return events.size();
        to.waiting = false;
        to.events.insert(to.events.end(), events.begin(), events.end());
        return std::exchange(to.refuse, 0);
    }

  private:
    std::shared_ptr<Receiver> receiver_;
};

struct Fixture {
    std::shared_ptr<Receiver> receiver = std::make_shared<Receiver>();
    SinkLog log;
    explicit Fixture(Level level = Level::debug, SinkLog::Bounds bounds = {})
        : log(std::make_unique<FakeSink>(receiver), level, bounds) {}
};

std::int64_t count_of(const Stamped& stamped) {
    return std::get<std::int64_t>(stamped.event.fields.at(0).value);
}

}  // namespace

TEST_CASE("writes events in the order of their emission") {
    Fixture f;
    for (int i = 0; i < 5'000; ++i) f.log.info("memoir.worker.status", std::to_string(i));
    REQUIRE(f.log.flush(Milliseconds(30'000)));
    const auto events = f.receiver->named("memoir.worker.status");
    REQUIRE(events.size() == 5'000);
    for (std::size_t i = 0; i < events.size(); ++i) REQUIRE(events[i].event.message == std::to_string(i));
    CHECK(f.log.dropped() == 0);
}

TEST_CASE("writes what is queued when it is destroyed") {
    const auto receiver = std::make_shared<Receiver>();
    {
        SinkLog log(std::make_unique<FakeSink>(receiver), Level::info);
        for (int i = 0; i < 3'000; ++i) log.info("memoir.worker.status", "x");
    }
    CHECK(receiver->size() == 3'000);
}

TEST_CASE("is destroyed in bounded time while its sink is stalled") {
    const auto receiver = std::make_shared<Receiver>();
    receiver->stalled = true;
    const auto start = std::chrono::steady_clock::now();
    {
        SinkLog log(std::make_unique<FakeSink>(receiver), Level::info);
        log.info("memoir.worker.status", "x");
    }
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(took >= Milliseconds(1'900));  // it did wait for the sink
    CHECK(took < Milliseconds(20'000));
    CHECK(receiver->size() == 0);
}

TEST_CASE("drops and counts what a stalled sink leaves no room for, and tells how many when there is room") {
    Fixture f(Level::info, {.events = 100, .bytes = 1 << 20});
    f.receiver->stall(true);
    f.log.info("memoir.worker.status", "held by the sink");
    REQUIRE(eventually([&] { return f.receiver->is_waiting(); }));
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 150; ++i) f.log.info("memoir.worker.status", std::to_string(i));
    CHECK(std::chrono::steady_clock::now() - start < Milliseconds(20'000));  // the sink stalls for good
    CHECK(f.log.dropped() == 50);
    CHECK_FALSE(f.log.flush(Milliseconds(10)));

    f.receiver->stall(false);
    REQUIRE(eventually([&] { return f.receiver->named("memoir.log.dropped").size() == 1; }));
    CHECK(count_of(f.receiver->named("memoir.log.dropped").at(0)) == 50);
    CHECK(f.receiver->named("memoir.worker.status").size() == 101);
    // It stands where the gap is.
    std::lock_guard lock(f.receiver->mutex);
    CHECK(f.receiver->events.back().event.name == "memoir.log.dropped");
}

TEST_CASE("bounds the bytes that wait, not only the events") {
    Fixture f(Level::info, {.events = 1'000, .bytes = 100'000});
    f.receiver->stall(true);
    f.log.info("memoir.worker.status", "held by the sink");
    REQUIRE(eventually([&] { return f.receiver->is_waiting(); }));
    for (int i = 0; i < 20; ++i) f.log.info("memoir.worker.status", std::string(20'000, 'x'));
    CHECK(f.log.dropped() >= 15);
    CHECK(f.log.dropped() < 20);
    f.receiver->stall(false);
    REQUIRE(f.log.flush(Milliseconds(30'000)));
    // The bytes were given back.
    const auto before = f.log.dropped();
    f.log.info("memoir.worker.status", std::string(80'000, 'x'));
    CHECK(f.log.dropped() == before);
}

TEST_CASE("counts what the sink refuses and tells it with the next event") {
    Fixture f;
    f.receiver->refuse = 1;
    f.log.info("memoir.worker.status", "refused");
    REQUIRE(f.log.flush(Milliseconds(30'000)));
    CHECK(f.log.dropped() == 1);
    f.log.info("memoir.worker.status", "next");
    REQUIRE(eventually([&] { return f.receiver->named("memoir.log.dropped").size() == 1; }));
    CHECK(count_of(f.receiver->named("memoir.log.dropped").at(0)) == 1);
}

TEST_CASE("changes its level while it runs") {
    Fixture f(Level::warning);
    CHECK_FALSE(f.log.wants(Level::info));
    f.log.info("memoir.worker.status", "too low");
    f.log.emit({Level::info, "memoir.worker.status", "too low, unasked", {}});
    f.log.set_level(Level::debug);
    CHECK(f.log.wants(Level::debug));
    f.log.debug("memoir.worker.job_started", "now wanted");
    REQUIRE(f.log.flush(Milliseconds(30'000)));
    CHECK(f.receiver->size() == 1);
}

TEST_CASE("keeps the last fifty notable events, also while the sink is stalled") {
    Fixture f(Level::debug, {.events = 10, .bytes = 1 << 20});
    f.receiver->stall(true);
    f.log.info("memoir.worker.job_succeeded", "not notable");
    f.log.debug("memoir.worker.job_started", "not notable");
    f.log.info("memoir.breaker.closed", "notable by the catalog");
    CHECK(f.log.recent().size() == 1);
    for (int i = 0; i < 60; ++i) f.log.warning("memoir.worker.claim_failed", std::to_string(i));
    const auto recent = f.log.recent();
    REQUIRE(recent.size() == 50);
    CHECK(recent.front().event.message == "10");
    CHECK(recent.back().event.message == "59");
    f.receiver->stall(false);
}

TEST_CASE("loses nothing and counts nothing twice with many threads emitting") {
    Fixture f(Level::info, {.events = 500, .bytes = 1 << 20});
    constexpr int each = 5'000;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < each; ++i) f.log.info("memoir.worker.status", "x");
            });
    }
    REQUIRE(f.log.flush(Milliseconds(30'000)));
    CHECK(f.receiver->named("memoir.worker.status").size() + f.log.dropped() == 4 * each);
}
