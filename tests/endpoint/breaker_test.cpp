#include "endpoint/breaker.hpp"

#include <catch2/catch.hpp>

#include "support/fake_clock.hpp"

using namespace memoir;
using endpoint::Breaker;
using endpoint::probe_delay;
using endpoint::State;
using namespace std::chrono_literals;

namespace {

const Failure outage(FailureType::outage, "host:1: connection refused");
const Failure blocked(FailureType::blocked, "HTTP 401");

Failure throttled(std::optional<Milliseconds> named = std::nullopt) {
    Failure failure(FailureType::throttled, "HTTP 429");
    failure.retry_after = named;
    return failure;
}

// A breaker without jitter and the time that it is told.
struct Bench {
    test::FakeClock clock;
    Breaker breaker{[] { return 0.0; }};
    TimePoint now() const { return clock.now(); }
    State state() const { return breaker.state(now()); }
    Milliseconds to_probe() const {
        return std::chrono::duration_cast<Milliseconds>(breaker.next_probe() - now());
    }
    void pass_probe() {
        breaker.probe_started();
        breaker.probe_passed(now());
    }
    // Starts as many calls as the ramp allows during `time`, at its own moments.
    int starts_within(Steady::duration time) {
        const auto end = now() + time;
        int started = 0;
        while (breaker.may_start(now()) < end) {
            clock.advance(std::max(Steady::duration(0), breaker.may_start(now()) - now()));
            breaker.started(now());
            ++started;
        }
        clock.advance(end - now());
        return started;
    }
};

}  // namespace

TEST_CASE("a probe is due after 1 s times two to the n, 30 s at most, less up to a quarter of jitter") {
    const std::vector<std::pair<int, Milliseconds>> table{{0, 1s},  {1, 2s},  {2, 4s},  {3, 8s},
                                                          {4, 16s}, {5, 30s}, {6, 30s}, {1'000, 30s}};
    for (const auto& [tries, delay] : table) {
        CAPTURE(tries);
        CHECK(probe_delay(outage, tries, 0) == delay);
        CHECK(probe_delay(throttled(), tries, 0) == delay);
        CHECK(probe_delay(outage, tries, 0.999) >= delay * 3 / 4);
        CHECK(probe_delay(outage, tries, 0.999) < delay * 4 / 5);
    }
}

TEST_CASE("a named time is obeyed, within an hour; blocked waits a quarter of one") {
    CHECK(probe_delay(throttled(7s), 3, 0.9) == 7s);
    CHECK(probe_delay(throttled(250ms), 0, 0.9) == 250ms);
    CHECK(probe_delay(throttled(24h), 0, 0) == 1h);
    CHECK(probe_delay(blocked, 5, 0.9) == 15min);
}

TEST_CASE("a server that always names no time at all is asked once a second in the end") {
    CHECK(probe_delay(throttled(0ms), 0, 0) == 50ms);
    CHECK(probe_delay(throttled(0ms), 2, 0) == 200ms);
    CHECK(probe_delay(throttled(0ms), 20, 0) == 1s);
    CHECK(probe_delay(throttled(5s), 20, 0) == 5s);
}

TEST_CASE("one certain failure opens it, and nothing may start") {
    Bench bench;
    CHECK(bench.state() == State::closed);
    CHECK(bench.breaker.may_start(bench.now()) <= bench.now());
    CHECK(bench.breaker.trip(bench.now(), outage));
    CHECK(bench.state() == State::open);
    CHECK(bench.breaker.may_start(bench.now()) == TimePoint::max());
    CHECK(bench.breaker.why() == FailureType::outage);
    CHECK(bench.breaker.reason() == "host:1: connection refused");
    CHECK_FALSE(bench.breaker.probe_due(bench.now()));
    bench.clock.advance(1s);
    CHECK(bench.breaker.probe_due(bench.now()));
    CHECK(bench.state() == State::open);  // only a probe gets it out
    bench.breaker.probe_started();
    CHECK(bench.state() == State::probing);
    CHECK_FALSE(bench.breaker.probe_due(bench.now()));  // one at a time
    CHECK(bench.breaker.may_start(bench.now()) == TimePoint::max());
    CHECK_FALSE(bench.breaker.trip(bench.now(), blocked));  // the probe will tell
    CHECK(bench.state() == State::probing);
}

TEST_CASE("each failed probe doubles the wait, an abandoned one does not count") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.breaker.probe_started();
    bench.breaker.probe_abandoned();
    CHECK(bench.state() == State::open);
    CHECK(bench.to_probe() == 1s);
    for (const auto expected : {2s, 4s, 8s, 16s, 30s, 30s}) {
        bench.clock.advance(bench.breaker.next_probe() - bench.now());
        bench.breaker.probe_started();
        bench.breaker.probe_failed(bench.now(), outage);
        CHECK(bench.to_probe() == expected);
    }
}

TEST_CASE("calls that were under way when it opened only put the probe off, by a time that was named") {
    Bench bench;
    CHECK(bench.breaker.trip(bench.now(), outage));
    bench.clock.advance(500ms);
    CHECK_FALSE(bench.breaker.trip(bench.now(), outage));
    CHECK(bench.to_probe() == 500ms);
    CHECK(bench.breaker.trip(bench.now(), throttled(5s)));  // another kind of trouble: news
    CHECK(bench.to_probe() == 5s);
    CHECK_FALSE(bench.breaker.trip(bench.now(), throttled(6s)));
    CHECK(bench.to_probe() == 6s);
    CHECK_FALSE(bench.breaker.trip(bench.now(), throttled(2s)));
    CHECK(bench.to_probe() == 6s);
    CHECK(bench.breaker.trip(bench.now(), blocked));
    CHECK(bench.to_probe() == 15min);
    CHECK_FALSE(bench.breaker.trip(bench.now(), throttled(60s)));
    CHECK(bench.breaker.why() == FailureType::blocked);
}

TEST_CASE("a probe that fails in another way says so") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.breaker.probe_started();
    CHECK(bench.breaker.probe_failed(bench.now(), blocked));
    CHECK(bench.breaker.why() == FailureType::blocked);
    CHECK(bench.to_probe() == 15min);
    bench.breaker.probe_started();
    CHECK_FALSE(bench.breaker.probe_failed(bench.now(), blocked));
}

TEST_CASE("after a probe one call a second may start, twice as many each second, until there is no limit") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.clock.advance(1s);
    bench.pass_probe();
    int allowed = 1;
    for (int second = 0; second < 11; ++second, allowed *= 2) {
        CAPTURE(second);
        CHECK(bench.state() == State::ramping);
        const int started = bench.starts_within(1s);
        CHECK(started >= allowed);
        CHECK(started <= allowed + 1);
    }
    CHECK(bench.state() == State::closed);
    CHECK(bench.breaker.may_start(bench.now()) <= bench.now());
}

TEST_CASE("an idle ramp saves up no burst") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.pass_probe();
    bench.clock.advance(5s);  // 32 a second now
    int at_once = 0;
    while (bench.breaker.may_start(bench.now()) <= bench.now()) {
        bench.breaker.started(bench.now());
        ++at_once;
    }
    CHECK(at_once >= 1);
    CHECK(at_once <= 3);
}

TEST_CASE("a place in the ramp that is given back is there for the next") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.pass_probe();
    bench.breaker.started(bench.now());
    CHECK(bench.breaker.may_start(bench.now()) > bench.now());
    bench.breaker.not_started(bench.now());
    CHECK(bench.breaker.may_start(bench.now()) <= bench.now());
}

TEST_CASE("a failure while ramping opens it again, and the wait goes on doubling") {
    Bench bench;
    bench.breaker.trip(bench.now(), outage);
    bench.pass_probe();
    bench.clock.advance(3s);
    CHECK(bench.breaker.trip(bench.now(), outage));
    CHECK(bench.state() == State::open);
    CHECK(bench.to_probe() == 2s);
    bench.pass_probe();
    bench.clock.advance(30s);
    CHECK(bench.state() == State::closed);
    CHECK(bench.breaker.trip(bench.now(), outage));
    CHECK(bench.to_probe() == 1s);  // it was well in between
}

TEST_CASE("a failure while ramping that came after successes does not double the wait") {
    Bench bench;
    for (int round = 0; round < 5; ++round) {
        CHECK(bench.breaker.trip(bench.now(), outage));
        CHECK(bench.to_probe() == 1s);
        bench.pass_probe();
        bench.breaker.succeeded(bench.now());
    }
}

TEST_CASE("after the first probe a server that was at work starts again at half of what it granted") {
    const auto starts = [](bool long_outage) {
        Bench bench;
        for (int call = 0; call < 40; ++call) bench.breaker.succeeded(bench.now());
        bench.breaker.trip(bench.now(), outage);
        bench.clock.advance(1s);
        bench.breaker.probe_started();
        if (long_outage) {
            bench.breaker.probe_failed(bench.now(), outage);
            bench.clock.advance(2s);
            bench.breaker.probe_started();
        }
        bench.breaker.probe_passed(bench.now());
        return bench.starts_within(1s);
    };
    CHECK(starts(false) >= 20);
    CHECK(starts(false) <= 21);
    CHECK(starts(true) <= 2);
}

TEST_CASE("what was only throttled starts again at half of what it granted") {
    Bench bench;
    for (int i = 0; i < 40; ++i) {
        bench.breaker.succeeded(bench.now());
        bench.clock.advance(50ms);  // 20 a second
    }
    bench.breaker.trip(bench.now(), throttled(1s));
    bench.clock.advance(1s);
    bench.pass_probe();
    const int started = bench.starts_within(1s);
    CHECK(started >= 9);
    CHECK(started <= 11);
    // What was out starts at one, whatever it did before.
    bench.breaker.trip(bench.now(), outage);
    bench.clock.advance(2s);
    bench.pass_probe();
    CHECK(bench.starts_within(1s) == 1);
}
