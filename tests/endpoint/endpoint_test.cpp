// The breaker around calls: what is let through, what is said, how it recovers, how it is cancelled.
#include "endpoint/endpoint.hpp"

#include <latch>
#include <map>

#include "endpoint/rig.hpp"

using namespace memoir;
using endpoint::Nature;
using endpoint::State;
using test::HttpReply;
using test::HttpRequest;
using test::Rig;
using Fault = HttpReply::Fault;
using namespace std::chrono_literals;

namespace {

HttpReply hanging() {
    HttpReply reply;
    reply.fault = Fault::hang;
    return reply;
}

}  // namespace

TEST_CASE("an open breaker lets no job through: the canary is always the synthetic probe") {
    Rig rig([](const HttpRequest&) { return HttpReply{503}; });
    rig.failure();
    for (int round = 0; round < 5; ++round) {
        for (int job = 0; job < 20; ++job) {
            const auto failure = rig.failure();
            CHECK(failure.type() == FailureType::outage);
            CHECK(failure.reason() == "HTTP 503");
            CHECK(failure.endpoint == "qdrant");
        }
        CHECK_FALSE(rig.endpoint.allows_claims());
        CHECK_FALSE(rig.endpoint.reserve());
        CHECK_FALSE(rig.endpoint.probe_if_due({}));  // not due
        rig.pass_time_to_probe();
        CHECK_FALSE(rig.endpoint.probe_if_due({}));
        CHECK(rig.probes() == static_cast<std::size_t>(round + 1));
    }
    CHECK(rig.jobs() == 1);
    CHECK(rig.log.count("memoir.breaker.opened") == 1);
}

TEST_CASE("jobs are parked until the next probe, a second at least") {
    Rig rig([](const HttpRequest&) { return HttpReply{429, "", {{"Retry-After", "7"}}}; });
    const auto failure = rig.failure();
    CHECK(failure.type() == FailureType::throttled);
    CHECK(failure.retry_after == 7s);
    CHECK(rig.endpoint.park_for() == 7s);
    CHECK(rig.endpoint.claims_in() == 7s);
    rig.clock.advance(6'500ms);
    CHECK(rig.failure().retry_after == 1s);
    CHECK(rig.endpoint.park_for() == 1s);
    CHECK(rig.jobs() == 1);
}

TEST_CASE("a probe that passes lets calls through again, tells the lanes, and says how long it was out") {
    std::atomic<int> status{503};
    Rig rig([&](const HttpRequest&) { return HttpReply{status}; });
    std::atomic<int> told{0};
    rig.endpoint.on_change([&] { ++told; });
    rig.failure();
    CHECK(told == 0);
    rig.clock.advance(10s);
    status = 200;
    CHECK(rig.endpoint.probe_if_due({}));
    CHECK(told == 1);
    CHECK(rig.endpoint.snapshot().state == State::ramping);
    const auto closed = rig.log.named("memoir.breaker.closed");
    REQUIRE(closed.size() == 1);
    CHECK(closed[0].level == telemetry::Level::info);
    CHECK(closed[0].field("endpoint") == "qdrant");
    CHECK(closed[0].field("failure_type") == "outage");
    CHECK(closed[0].field("open_ms") == "10000");

    CHECK(rig.endpoint.allows_claims());
    rig.call();
    CHECK_FALSE(rig.endpoint.allows_claims());  // one in this second
    CHECK(rig.endpoint.claims_in() == 1s);
    rig.clock.advance(1s);
    CHECK(rig.endpoint.allows_claims());
    rig.clock.advance(20s);
    CHECK(rig.endpoint.snapshot().state == State::closed);
    CHECK(rig.endpoint.claims_in() == 0s);
}

TEST_CASE("a failure while ramping opens it again") {
    std::atomic<int> status{503};
    Rig rig([&](const HttpRequest& request) {
        return HttpReply{request.target == "/work" ? 503 : status.load()};
    });
    rig.failure();
    rig.clock.advance(10s);
    status = 200;
    REQUIRE(rig.endpoint.probe_if_due({}));
    status = 503;
    CHECK(rig.failure().type() == FailureType::outage);
    CHECK(rig.endpoint.snapshot().state == State::open);
    CHECK(rig.endpoint.snapshot().next_probe > 1s);
    CHECK(rig.log.count("memoir.breaker.opened") == 2);
}

TEST_CASE("events say what, why and what to do, and nothing that the server said") {
    struct Row {
        int status;
        std::string type;
        telemetry::Level level;
        bool hint;
    };
    const auto row = GENERATE(values<Row>({{503, "outage", telemetry::Level::warning, false},
                                           {429, "throttled", telemetry::Level::warning, false},
                                           {401, "blocked", telemetry::Level::error, true}}));
    Rig rig([row](const HttpRequest&) { return HttpReply{row.status, R"({"error":"Alice"})"}; });
    rig.failure();
    const auto opened = rig.log.named("memoir.breaker.opened");
    REQUIRE(opened.size() == 1);
    CHECK(opened[0].level == row.level);
    CHECK(opened[0].field("endpoint") == "qdrant");
    CHECK(opened[0].field("failure_type") == row.type);
    CHECK(opened[0].field("reason") == "HTTP " + std::to_string(row.status));
    CHECK(std::stol(opened[0].field("next_probe_ms")) == rig.endpoint.snapshot().next_probe.count());
    CHECK((opened[0].message.find("\nHINT: ") != std::string::npos) == row.hint);
    CHECK((opened[0].field("hint").find("vector.api_key_file") != std::string::npos) == row.hint);
    CHECK((rig.endpoint.snapshot().hint.find("vector.api_key_file") != std::string::npos) == row.hint);
    CHECK(opened[0].message.find("Alice") == std::string::npos);
}

TEST_CASE("a start probes once: an absent backend is an open breaker") {
    Rig rig;
    CHECK(rig.endpoint.probe_if_due({}));  // closed, nothing due
    CHECK(rig.probes() == 0);
    CHECK(rig.endpoint.probe_if_due({}, true));
    CHECK(rig.requests("/probe/write") == 1);
    CHECK(rig.endpoint.snapshot().state == State::closed);
    CHECK(rig.log.events().empty());
    rig.server.stop();
    CHECK_FALSE(rig.endpoint.probe_if_due({}, true));
    CHECK(rig.endpoint.snapshot().state == State::open);
    CHECK(rig.log.count("memoir.breaker.opened") == 1);
    rig.server.start();
    CHECK(rig.endpoint.probe_if_due({}, true));  // not due, but asked for
    CHECK(rig.endpoint.snapshot().state == State::ramping);
}

TEST_CASE("one canary at a time") {
    std::latch go(1);
    Rig rig([&](const HttpRequest& request) {
        if (!request.target.starts_with("/probe")) return HttpReply{503};
        go.wait();
        return HttpReply{};
    });
    rig.failure();
    rig.pass_time_to_probe();
    std::jthread keeper([&] { rig.endpoint.probe_if_due({}); });
    CHECK(test::eventually([&] { return rig.probes() == 1; }));
    CHECK(rig.endpoint.snapshot().state == State::probing);
    CHECK_FALSE(rig.endpoint.probe_if_due({}));
    CHECK_FALSE(rig.endpoint.probe_if_due({}, true));
    CHECK(rig.failure().type() == FailureType::outage);
    go.count_down();
    keeper.join();
    CHECK(rig.probes() == 1);
    CHECK(rig.endpoint.snapshot().state == State::ramping);
}

TEST_CASE("a stop ends a hanging call as cancelled: no probe, no charge, no open breaker") {
    Rig rig([](const HttpRequest&) { return hanging(); });
    std::stop_source source;
    std::jthread stopper([&] {
        test::eventually([&] { return rig.jobs() == 1; });
        source.request_stop();
    });
    CHECK(rig.failure("/work", source.get_token()).type() == FailureType::cancelled);
    CHECK(rig.probes() == 0);
    CHECK(rig.endpoint.snapshot().state == State::closed);
    CHECK(rig.endpoint.snapshot().failures == 0);
}

TEST_CASE("a stop ends the probe for the verdict, and the next who failed runs it") {
    std::atomic<int> probes{0}, failed{0};
    Rig rig([&](const HttpRequest& request) {
        if (!request.target.starts_with("/probe")) return HttpReply{500};
        return probes++ == 0 ? hanging() : HttpReply{};
    });
    std::stop_source source;
    std::optional<Failure> first, second;
    std::jthread runner([&] { first = rig.failure("/first", source.get_token()); });
    CHECK(test::eventually([&] { return probes == 1; }));
    std::jthread waiter([&] {
        try {
            rig.endpoint.call(Nature::read, {}, [&] {
                ++failed;
                rig.exchange("/second");
            });
        } catch (const Failure& failure) {
            second = failure;
        }
    });
    CHECK(test::eventually([&] { return rig.requests("/second") == 1; }));
    source.request_stop();
    runner.join();
    waiter.join();
    CHECK(first->type() == FailureType::cancelled);
    CHECK(second->type() == FailureType::job);
    CHECK(probes == 2);
}

TEST_CASE("no more calls run than there are permits, and a stop ends the wait for one") {
    std::latch go(1);
    std::atomic<int> now{0}, most{0};
    Rig rig(
        [&](const HttpRequest&) {
            const int running = ++now;
            int seen = most;
            while (running > seen && !most.compare_exchange_weak(seen, running)) {
            }
            go.wait();
            --now;
            return HttpReply{};
        },
        3);
    std::stop_source source;
    std::optional<Failure> stopped;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { rig.call(); });
    CHECK(test::eventually([&] { return rig.endpoint.snapshot().waiting == 5; }));
    threads.emplace_back([&] { stopped = rig.failure("/late", source.get_token()); });
    CHECK(test::eventually([&] { return rig.endpoint.snapshot().waiting == 6; }));
    source.request_stop();
    CHECK(test::eventually([&] { return rig.endpoint.snapshot().waiting == 5; }));
    CHECK(rig.endpoint.snapshot().in_flight == 3);
    go.count_down();
    threads.clear();
    CHECK(most == 3);
    CHECK(stopped->type() == FailureType::cancelled);
    CHECK(rig.requests("/late") == 0);
    CHECK(rig.endpoint.snapshot().in_flight == 0);
}

TEST_CASE("calls that wait for a permit get the failure when the breaker opens") {
    std::latch go(1);
    Rig rig(
        [&](const HttpRequest&) {
            go.wait();
            return HttpReply{503};
        },
        1);
    std::atomic<int> outages{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 6; ++i)
            threads.emplace_back([&] {
                if (rig.failure().type() == FailureType::outage) ++outages;
            });
        CHECK(test::eventually([&] { return rig.endpoint.snapshot().waiting == 5; }));
        go.count_down();
    }
    CHECK(outages == 6);
    CHECK(rig.jobs() == 1);
}

TEST_CASE("a reserved permit is the next call's, is given back unused, and a refused one is announced") {
    Rig rig([](const HttpRequest&) { return HttpReply{}; }, 1);
    std::atomic<int> told{0};
    rig.endpoint.on_change([&] { ++told; });
    {
        auto permit = rig.endpoint.reserve();
        REQUIRE(permit);
        auto moved = std::move(permit);
        CHECK_FALSE(rig.endpoint.reserve());
        CHECK(rig.endpoint.snapshot().in_flight == 1);
        rig.call();  // would wait for ever without it
        CHECK(told == 1);
        CHECK(rig.endpoint.snapshot().in_flight == 0);
        rig.call();  // the permit is used up, this takes its own
    }
    CHECK(rig.endpoint.snapshot().in_flight == 0);
    {
        const auto permit = rig.endpoint.reserve();
        std::optional<bool> other;
        std::jthread([&] { other = rig.endpoint.reserve().has_value(); }).join();
        CHECK(other == false);
    }
    CHECK(told == 2);
    CHECK(rig.endpoint.reserve());
}

TEST_CASE("a reserved permit does not pass an open breaker") {
    Rig rig([](const HttpRequest&) { return HttpReply{503}; }, 2);
    const auto permit = rig.endpoint.reserve();
    std::jthread([&] { rig.failure(); }).join();
    CHECK(rig.failure().type() == FailureType::outage);
    CHECK(rig.jobs() == 1);
}

TEST_CASE("an idle loop's permit takes no place in the ramp") {
    std::atomic<int> status{503};
    Rig rig([&](const HttpRequest&) { return HttpReply{status}; });
    rig.failure();
    status = 200;
    REQUIRE(rig.endpoint.probe_if_due({}, true));
    for (int i = 0; i < 5; ++i) CHECK(rig.endpoint.reserve());
    const auto permit = rig.endpoint.reserve();
    CHECK_FALSE(rig.endpoint.allows_claims());
    CHECK_NOTHROW(rig.call());
}

TEST_CASE("the provider's limits are obeyed before the next call") {
    Rig rig;
    rig.endpoint.hold_until(rig.clock.now() + 40s);
    CHECK_FALSE(rig.endpoint.allows_claims());
    CHECK_FALSE(rig.endpoint.reserve());
    CHECK(rig.endpoint.claims_in() == 40s);
    CHECK(rig.endpoint.snapshot().held_for == 40s);
    const auto failure = rig.failure();  // too long to wait with a job in hand
    CHECK(failure.type() == FailureType::throttled);
    CHECK(failure.retry_after == 40s);
    CHECK(rig.endpoint.snapshot().state == State::closed);
    rig.clock.advance(40s);
    rig.endpoint.call(Nature::read, {}, [&] { rig.endpoint.observe_quota("requests", {60, 0, 60s}); });
    CHECK(rig.endpoint.claims_in() == 1'500ms);
    rig.clock.advance(1'500ms);
    CHECK_NOTHROW(rig.call());
    CHECK(rig.jobs() == 1);
}

TEST_CASE("a thread hears when its call waits, and when the wait is over") {
    Rig rig([](const HttpRequest&) { return HttpReply{}; }, 1);
    std::atomic<int> begun{0}, over{0};
    std::stop_source source;
    {
        const auto permit = rig.endpoint.reserve();
        std::jthread waiter([&] {
            endpoint::Endpoint::set_wait_hook([&](bool waiting) { ++(waiting ? begun : over); });
            CHECK(rig.failure("/work", source.get_token()).type() == FailureType::cancelled);
        });
        CHECK(test::eventually([&] { return begun == 1 && rig.endpoint.snapshot().waiting == 1; }));
        CHECK(over == 0);
        source.request_stop();
    }
    CHECK(begun == 1);
    CHECK(over == 1);
}

TEST_CASE("32 threads go through an endpoint that breaks and heals, and nothing is left behind") {
    std::atomic<int> mode{0};
    Rig rig(
        [&](const HttpRequest& request) {
            if (request.target == "/poison") return HttpReply{500};
            switch (mode.load()) {
                case 1:
                    return HttpReply{503};
                case 2:
                    return HttpReply{500};
                case 3:
                    return HttpReply{429, "", {{"Retry-After", "1"}}};
                default:
                    return HttpReply{};
            }
        },
        8);
    rig.endpoint.on_change([&] { rig.endpoint.allows_claims(); });
    std::atomic<int> done{0}, attempts{0};
    std::map<FailureType, std::atomic<int>> ends;
    for (int type = 0; type <= static_cast<int>(FailureType::ambiguous); ++type)
        ends[static_cast<FailureType>(type)] = 0;
    std::stop_source source;
    std::vector<std::jthread> threads;
    for (int t = 0; t < 32; ++t)
        threads.emplace_back([&, t] {
            while (!source.stop_requested()) {
                const auto permit = t % 2 ? rig.endpoint.reserve() : std::nullopt;
                ++attempts;
                try {
                    rig.call(t == 0 ? "/poison" : "/work", source.get_token());
                    ++done;
                } catch (const Failure& failure) {
                    ++ends.at(failure.type());
                    std::this_thread::yield();
                }
            }
        });
    for (int round = 0; round < 40; ++round) {
        mode = round % 2 ? round / 2 % 4 : 0;
        rig.clock.advance(20s);  // past every ramp
        rig.endpoint.probe_if_due({}, true);
        const int before = attempts;
        test::eventually([&] { return attempts > before + 64; }, 20ms);
        rig.endpoint.snapshot();
    }
    CHECK(test::eventually([&] {
        mode = 0;
        rig.clock.advance(20s);
        rig.endpoint.probe_if_due({}, true);
        return done > 100 && ends[FailureType::job] > 0;
    }));
    source.request_stop();
    threads.clear();
    CHECK(ends[FailureType::outage] > 0);
    CHECK(ends[FailureType::ambiguous] == 0);
    CHECK(ends[FailureType::permanent] == 0);
    const auto shown = rig.endpoint.snapshot();
    CHECK(shown.in_flight == 0);
    CHECK(shown.waiting == 0);
}

TEST_CASE("an observer is told of each call, what it turned out to be and what a model used") {
    std::atomic<int> status = 200;
    Rig rig([&](const HttpRequest& request) {
        return HttpReply{.status = request.target == "/work" ? status.load() : 200};
    });
    struct Told {
        std::string endpoint;
        double took;
        std::optional<FailureType> failure;
    };
    std::vector<Told> told;
    std::int64_t input = 0, output = 0;
    const auto observer = std::make_shared<endpoint::CallObserver>();
    observer->ended = [&](const std::string& name, std::chrono::duration<double> took,
                          std::optional<FailureType> failure) {
        told.push_back({name, took.count(), failure});
    };
    observer->tokens = [&](const std::string&, std::int64_t in, std::int64_t out) {
        input += in;
        output += out;
    };
    rig.call();  // nobody listens yet
    rig.endpoint.observe(observer);
    rig.endpoint.call(endpoint::Nature::read, {}, [&] {
        rig.clock.advance(Milliseconds(1'500));
        rig.endpoint.used_tokens(100, 10);
    });
    REQUIRE(told.size() == 1);
    CHECK(told[0].endpoint == "qdrant");
    CHECK(told[0].took == 1.5);
    CHECK_FALSE(told[0].failure);
    CHECK(input == 100);
    CHECK(output == 10);
    // A 500 is the job's once the probe has passed; what was cancelled is nobody's.
    status = 500;
    CHECK(rig.failure().type() == FailureType::job);
    REQUIRE(told.size() == 2);
    CHECK(told[1].failure == FailureType::job);
    std::stop_source stop;
    stop.request_stop();
    CHECK(rig.failure("/work", stop.get_token()).type() == FailureType::cancelled);
    status = 503;
    CHECK(rig.failure().type() == FailureType::outage);
    REQUIRE(told.size() == 3);
    CHECK(told[2].failure == FailureType::outage);
}
