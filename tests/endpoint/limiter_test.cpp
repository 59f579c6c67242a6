#include "endpoint/limiter.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/fake_clock.hpp"

using namespace memoir;
using endpoint::Limiter;
using endpoint::Quota;
using namespace std::chrono_literals;

namespace {

Milliseconds wait(const Limiter& limiter, TimePoint now) {
    return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(limiter.held_until(now) - now));
}

}  // namespace

TEST_CASE("as many calls as permits, and each end makes room") {
    test::FakeClock clock;
    Limiter limiter(2);
    CHECK(limiter.may_start(clock.now()) <= clock.now());
    limiter.take();
    limiter.take();
    CHECK_FALSE(limiter.has_permit());
    CHECK(limiter.may_start(clock.now()) == TimePoint::max());
    limiter.give_back();
    CHECK(limiter.may_start(clock.now()) <= clock.now());
    CHECK(limiter.in_use() == 1);
}

TEST_CASE("0 permits means no limit") {
    test::FakeClock clock;
    Limiter limiter(0);
    for (int i = 0; i < 1'000; ++i) limiter.take();
    CHECK(limiter.may_start(clock.now()) <= clock.now());
}

TEST_CASE("after a time-out beside others half as many calls run at once, and slowly as many as before") {
    Limiter limiter(8);
    std::vector<std::uint64_t> starts;
    for (int i = 0; i < 8; ++i) starts.push_back(limiter.take());
    limiter.timed_out(starts[0]);
    CHECK(limiter.most() == 4);
    // What was under way then is no further news.
    for (const auto start : starts) limiter.timed_out(start);
    CHECK(limiter.most() == 4);
    CHECK_FALSE(limiter.has_permit());
    for (int i = 0; i < 5; ++i) limiter.give_back();
    CHECK(limiter.has_permit());
    const auto again = limiter.take();
    CHECK_FALSE(limiter.has_permit());
    limiter.timed_out(again);
    CHECK(limiter.most() == 2);
    // 16 × 2 successes for the third, 16 × 3 for the fourth and so on.
    for (int i = 0; i < 16 * (2 + 3 + 4 + 5 + 6); ++i) limiter.served();
    CHECK(limiter.most() == 7);
    for (int i = 0; i < 16 * 7; ++i) limiter.served();
    CHECK(limiter.most() == 8);
}

TEST_CASE("a call that times out alone is slow by itself") {
    Limiter limiter(8);
    limiter.timed_out(limiter.take());
    CHECK(limiter.most() == 8);
}

TEST_CASE("without a limit a time-out sets one until as many run as before") {
    Limiter limiter(0);
    for (int i = 0; i < 3; ++i) limiter.take();
    limiter.timed_out(limiter.take());
    CHECK(limiter.most() == 2);
    for (int i = 0; i < 16 * (2 + 3); ++i) limiter.served();
    CHECK(limiter.most() == 0);
    CHECK(limiter.has_permit());
}

TEST_CASE("a hold is obeyed, the later one wins, none is longer than an hour") {
    test::FakeClock clock;
    Limiter limiter(0);
    limiter.hold_until(clock.now(), clock.now() + 5s);
    limiter.hold_until(clock.now(), clock.now() + 2s);
    CHECK(wait(limiter, clock.now()) == 5s);
    clock.advance(5s);
    CHECK(wait(limiter, clock.now()) == 0s);
    limiter.hold_until(clock.now(), TimePoint::max());
    CHECK(wait(limiter, clock.now()) == 1h);
}

TEST_CASE("remaining 0 holds the next call until the bucket has room for one") {
    test::FakeClock clock;
    Limiter limiter(0);
    const auto start = limiter.take();
    // 20 calls a second, empty: full again in a second, room for one and a half after 75 ms.
    limiter.observe(clock.now(), "requests", {20, 0, 1'000ms}, start, clock.now());
    CHECK(wait(limiter, clock.now()) == 75ms);
    clock.advance(75ms);
    CHECK(wait(limiter, clock.now()) == 0ms);
    limiter.take();
    CHECK(wait(limiter, clock.now()) == 50ms);
}

TEST_CASE("what remains may be used at once, calls started since are counted") {
    test::FakeClock clock;
    Limiter limiter(0);
    const auto start = limiter.take();
    limiter.take();
    limiter.take();
    limiter.observe(clock.now(), "requests", {60, 5, 55'000ms}, start, clock.now());
    for (int i = 0; i < 2; ++i) {
        CHECK(wait(limiter, clock.now()) == 0ms);
        limiter.take();
    }
    CHECK(wait(limiter, clock.now()) == 500ms);  // of the three left one is there, and half of one is kept
}

TEST_CASE("every family of limits counts, and a call may cost more than one unit") {
    test::FakeClock clock;
    Limiter limiter(0);
    const auto start = limiter.take();
    limiter.observe(clock.now(), "requests", {100, 90, 1'000ms}, start, clock.now());
    limiter.observe(clock.now(), "tokens", {10'000, 2'000, 8'000ms, 1'000}, start, clock.now());
    CHECK(wait(limiter, clock.now()) == 0ms);
    limiter.take();
    CHECK(wait(limiter, clock.now()) == 500ms);
}

TEST_CASE("a bucket of one call is used, and a nearly full one does not unsettle the known rate") {
    test::FakeClock clock;
    Limiter single(0);
    single.observe(clock.now(), "requests", {1, 0, 2'000ms}, single.take(), clock.now());
    CHECK(wait(single, clock.now()) == 2'000ms);

    Limiter limiter(0);
    limiter.observe(clock.now(), "requests", {20, 10, 500ms}, limiter.take(), clock.now());
    // 19.4 of 20, told as 19 and 30 ms: that would be 33 a second.
    limiter.observe(clock.now(), "requests", {20, 19, 30ms}, limiter.last_start(), clock.now());
    while (wait(limiter, clock.now()) == 0ms) limiter.take();
    CHECK(wait(limiter, clock.now()) == 25ms);  // half a call is missing at 20 a second
}

TEST_CASE("an unused permit gives back its part of the limits") {
    test::FakeClock clock;
    Limiter limiter(1);
    const auto start = limiter.take();
    limiter.give_back();
    limiter.observe(clock.now(), "requests", {20, 2, 900ms}, start, clock.now());
    limiter.take();
    CHECK(limiter.may_start(clock.now()) == TimePoint::max());
    limiter.refund();
    CHECK(limiter.may_start(clock.now()) <= clock.now());
}

TEST_CASE("senseless headers hold nothing") {
    test::FakeClock clock;
    const double nan = std::numeric_limits<double>::quiet_NaN(),
                 inf = std::numeric_limits<double>::infinity();
    const std::vector<Quota> table{{0, 0, 1'000ms},   {-1, -1, 1'000ms},   {20, -1, 1'000ms},
                                   {nan, 0, 1'000ms}, {20, nan, 1'000ms},  {inf, 0, 1'000ms},
                                   {20, 0, -1'000ms}, {20, 0, 1'000ms, 0}, {20, 0, 1'000ms, -1}};
    for (const auto& quota : table) {
        Limiter limiter(0);
        const auto start = limiter.take();
        limiter.observe(clock.now(), "requests", quota, start, clock.now());
        CHECK(wait(limiter, clock.now()) == 0ms);
    }
}

TEST_CASE("no header holds calls for ever") {
    test::FakeClock clock;
    for (const auto& quota : std::vector<Quota>{{1, 0, std::chrono::hours(24 * 365)},
                                                {1e-9, 0, 1'000ms},
                                                {20, 0, 1'000ms, 1e12},
                                                {1e300, 0, std::chrono::hours(24 * 365), 1e299}}) {
        Limiter limiter(0);
        const auto start = limiter.take();
        limiter.observe(clock.now(), "requests", quota, start, clock.now());
        CHECK(wait(limiter, clock.now()) <= 1h);
    }
}

TEST_CASE("against a bucket of 20 a second, 64 callers get all of it without a refusal") {
    // Virtual time: the server's bucket charges on arrival and answers after `latency`, its headers as of
    // then.
    const auto latency = GENERATE(10ms, 200ms, 1'000ms);
    CAPTURE(latency.count());
    test::FakeClock clock;
    Limiter limiter(64);
    struct Reply {
        TimePoint due, began;
        std::uint64_t start;
        bool granted;
        double remaining;
    };
    std::vector<Reply> on_the_way;
    double bucket = 20;
    auto filled = clock.now();
    int granted = 0, refused = 0;
    for (const auto end = clock.now() + 20s; clock.now() < end; clock.advance(1ms)) {
        std::erase_if(on_the_way, [&](const Reply& reply) {
            if (reply.due > clock.now()) return false;
            const Milliseconds reset(std::lround((20 - reply.remaining) * 50));
            limiter.observe(clock.now(), "requests", {20, std::floor(reply.remaining), reset}, reply.start,
                            reply.began);
            ++(reply.granted ? granted : refused);
            limiter.give_back();
            return true;
        });
        while (limiter.may_start(clock.now()) <= clock.now()) {
            // The first call goes alone: nothing is known before its answer.
            if (limiter.last_start() == 1 && granted == 0) break;
            const std::chrono::duration<double> since = clock.now() - filled;
            bucket = std::min(20.0, bucket + 20 * since.count());
            filled = clock.now();
            const bool room = bucket >= 1;
            if (room) bucket -= 1;
            on_the_way.push_back({clock.now() + latency, clock.now(), limiter.take(), room, bucket});
        }
    }
    CHECK(granted >= 20 * 20 * 8 / 10);
    CHECK(refused == 0);
}
