// Who is charged for what, over a real socket.
#include <latch>

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

HttpReply broken(Fault fault) {
    HttpReply reply{200, "0123456789"};
    reply.fault = fault;
    return reply;
}

bool is_probe(const HttpRequest& request) {
    return request.target.starts_with("/probe");
}

}  // namespace

TEST_CASE(
    "what fails for everything is an outage after one probe of the same nature, and nobody is charged") {
    const auto nature = GENERATE(Nature::read, Nature::write);
    const auto reply = GENERATE(HttpReply{500}, HttpReply{408}, broken(Fault::hang), broken(Fault::cut),
                                broken(Fault::reset), broken(Fault::close), broken(Fault::stall),
                                broken(Fault::stall_headers));
    Rig rig([reply](const HttpRequest&) { return reply; });
    rig.timeout = 200ms;
    const auto failure = rig.failure("/work", {}, nature);
    CAPTURE(failure.reason());
    CHECK(failure.type() == FailureType::outage);
    CHECK(failure.endpoint == "qdrant");
    CHECK(failure.retry_after >= 1s);
    CHECK(rig.requests(nature == Nature::read ? "/probe/read" : "/probe/write") >= 1);
    CHECK(rig.requests(nature == Nature::read ? "/probe/write" : "/probe/read") == 0);
    const auto shown = rig.endpoint.snapshot();
    CHECK(shown.canaries == 1);
    CHECK(shown.state == State::open);
    CHECK(shown.why == FailureType::outage);
    CHECK(shown.charged_jobs == 0);
    CHECK(shown.failures == 1);
    CHECK(rig.log.count("memoir.breaker.opened") == 1);
}

TEST_CASE("what is certain opens the breaker of a server that has not worked yet without a probe") {
    struct Row {
        int status;  // 0: nobody listens, -1: no HTTP
        FailureType type;
        State state;
    };
    const auto row = GENERATE(values<Row>({{0, FailureType::outage, State::open},
                                           {-1, FailureType::blocked, State::open},
                                           {502, FailureType::outage, State::open},
                                           {503, FailureType::outage, State::open},
                                           {504, FailureType::outage, State::open},
                                           {429, FailureType::throttled, State::open},
                                           {529, FailureType::throttled, State::open},
                                           {401, FailureType::blocked, State::open},
                                           {402, FailureType::blocked, State::open},
                                           {403, FailureType::blocked, State::open},
                                           {404, FailureType::blocked, State::open},
                                           {301, FailureType::blocked, State::open},
                                           {400, FailureType::outage, State::open},
                                           {413, FailureType::outage, State::open},
                                           {422, FailureType::outage, State::open},
                                           {409, FailureType::job, State::closed}}));
    CAPTURE(row.status);
    Rig rig([row](const HttpRequest&) {
        return row.status < 0 ? broken(Fault::garbage) : HttpReply{row.status, "Alice said"};
    });
    if (row.status == 0) rig.server.stop();
    const auto failure = rig.failure();
    CHECK(failure.type() == row.type);
    CHECK(failure.endpoint == "qdrant");
    CHECK(failure.reason().find("Alice") == std::string::npos);
    CHECK(rig.endpoint.snapshot().state == row.state);
    // A refusal is asked after; here the probe is refused, too.
    const bool refused = row.status == 400 || row.status == 413 || row.status == 422;
    CHECK(rig.endpoint.snapshot().canaries == (refused ? 1 : 0));
    if (refused) CHECK(rig.endpoint.snapshot().why == FailureType::blocked);
    CHECK(rig.endpoint.allows_claims() == (row.state == State::closed));
    CHECK(failure.retry_after.has_value() == (row.state == State::open));
    CHECK((failure.hint.find("vector.url") != std::string::npos) == (row.type == FailureType::blocked));
}

TEST_CASE("a request that breaks a server which works for the probe is the job's own fault") {
    const auto reply =
        GENERATE(HttpReply{500}, broken(Fault::hang), broken(Fault::cut), broken(Fault::reset));
    Rig rig([reply](const HttpRequest& request) { return is_probe(request) ? HttpReply{} : reply; });
    rig.timeout = 200ms;
    for (int attempt = 1; attempt <= 3; ++attempt) {
        CHECK(rig.failure("/poison").type() == FailureType::job);
        CHECK(rig.probes() == static_cast<std::size_t>(attempt));
    }
    const auto shown = rig.endpoint.snapshot();
    CHECK(shown.state == State::closed);
    CHECK(shown.charged_jobs == 3);
    CHECK(rig.log.events().empty());
}

TEST_CASE("a request that fails while another one succeeds is the job's own fault, without a probe") {
    std::latch others_done(1);
    Rig rig([&](const HttpRequest& request) {
        if (request.target != "/poison") return HttpReply{};
        others_done.wait();
        return HttpReply{500};
    });
    std::optional<Failure> failure;
    std::thread poison([&] { failure = rig.failure("/poison"); });
    CHECK(test::eventually([&] { return rig.requests("/poison") == 1; }));
    rig.call("/good");
    others_done.count_down();
    poison.join();
    CHECK(failure->type() == FailureType::job);
    CHECK(rig.probes() == 0);
}

TEST_CASE("what a server that works does to one job holds up nobody else, and is no attempt either") {
    const int status = GENERATE(401, 403, 404, 302, 502, 503, 504);
    CAPTURE(status);
    Rig rig([&](const HttpRequest& request) { return HttpReply{request.target == "/odd" ? status : 200}; });
    rig.call();
    for (std::size_t time = 1; time <= 3; ++time) {
        const auto failure = rig.failure("/odd");
        CHECK(failure.type() == (status < 500 ? FailureType::blocked : FailureType::outage));
        CHECK(failure.endpoint == "qdrant");
        CHECK(failure.alone);
        CHECK(failure.own());
        CHECK(rig.probes() == time);
        CHECK(rig.endpoint.allows_claims());
    }
    CHECK(rig.endpoint.snapshot().charged_jobs == 0);
    SECTION("but where the probe fails, too, everybody waits") {
        rig.server.handle([&](const HttpRequest&) { return HttpReply{status}; });
        CHECK_FALSE(rig.failure("/odd").alone);
        CHECK_FALSE(rig.endpoint.allows_claims());
    }
}

TEST_CASE("money is everybody's, although a probe that costs nothing passes") {
    Rig rig([&](const HttpRequest& request) { return HttpReply{request.target == "/work" ? 402 : 200}; });
    rig.call("/good");
    CHECK(rig.failure().type() == FailureType::blocked);
    CHECK_FALSE(rig.endpoint.allows_claims());
    CHECK(rig.probes() == 0);
}

TEST_CASE("a start's probe that passed is work, too") {
    Rig rig([&](const HttpRequest& request) { return HttpReply{is_probe(request) ? 200 : 403}; });
    CHECK(rig.endpoint.probe_if_due({}, true));
    CHECK(rig.failure().type() == FailureType::blocked);
    CHECK(rig.endpoint.allows_claims());
}

TEST_CASE("a server that begins to refuse everything fails no job for it") {
    std::atomic<bool> upgraded = false;
    Rig rig([&](const HttpRequest& request) {
        if (!upgraded) return HttpReply{};
        return HttpReply{is_probe(request) ? 404 : 400};
    });
    rig.call();
    upgraded = true;
    CHECK(rig.failure().type() == FailureType::outage);
    CHECK_FALSE(rig.endpoint.allows_claims());
}

TEST_CASE("a refusal where nothing has worked yet is no job's while the probe is refused, too") {
    const bool configured = GENERATE(true, false);
    Rig rig([&](const HttpRequest& request) {
        return is_probe(request) ? HttpReply{configured ? 200 : 401} : HttpReply{400};
    });
    CHECK(rig.failure().type() == (configured ? FailureType::permanent : FailureType::outage));
    CHECK(rig.endpoint.allows_claims() == configured);
    if (!configured) CHECK(rig.endpoint.snapshot().why == FailureType::blocked);
    CHECK(rig.probes() == 1);
    CHECK(rig.endpoint.snapshot().charged_jobs == 0);
}

TEST_CASE("calls that are cut together are spared, those that are cut one by one are not") {
    constexpr int callers = 4;
    std::latch all_there(callers);
    std::atomic<bool> restarted = true;
    Rig rig([&](const HttpRequest& request) {
        if (is_probe(request)) return HttpReply{};
        if (restarted) all_there.arrive_and_wait();
        return broken(Fault::cut);
    });
    std::atomic<int> spared = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < callers; ++i)
            threads.emplace_back([&] {
                const auto failure = rig.failure();
                spared += failure.spared && failure.type() == FailureType::outage ? 1 : 0;
            });
    }
    CHECK(spared >= callers - 1);  // the first may be judged before the second is cut
    CHECK(rig.endpoint.allows_claims());
    restarted = false;
    const auto failure = rig.failure("/poison");
    CHECK(failure.type() == FailureType::job);
    CHECK_FALSE(failure.spared);
}

TEST_CASE(
    "a garbled answer of a server that has worked is asked after, that of one that never has is a wrong "
    "URL") {
    const bool worked = GENERATE(true, false);
    Rig rig([&](const HttpRequest& request) {
        return request.target == "/odd" ? broken(Fault::garbage) : HttpReply{};
    });
    if (worked) rig.call();
    CHECK(rig.failure("/odd").type() == FailureType::blocked);
    CHECK(rig.endpoint.allows_claims() == worked);
    CHECK(rig.probes() == (worked ? 1 : 0));
}

TEST_CASE("no probe begins in a drain") {
    Rig rig([](const HttpRequest& request) {
        if (is_probe(request)) return HttpReply{};
        std::this_thread::sleep_for(200ms);
        return HttpReply{500};
    });
    std::optional<Failure> failure;
    std::thread caller([&] { failure = rig.failure(); });
    CHECK(test::eventually([&] { return rig.jobs() == 1; }));
    rig.endpoint.close();
    caller.join();
    CHECK(failure->type() == FailureType::cancelled);
    CHECK(rig.probes() == 0);
}

TEST_CASE("a thread hears that it waits while its failure is judged") {
    std::vector<bool> told;
    Rig rig([&](const HttpRequest& request) { return HttpReply{is_probe(request) ? 200 : 500}; });
    endpoint::Endpoint::set_wait_hook([&](bool waits) { told.push_back(waits); });
    CHECK(rig.failure().type() == FailureType::job);
    endpoint::Endpoint::set_wait_hook({});
    CHECK(told == std::vector{true, false});
}

TEST_CASE("a time-out or a cut is judged by what comes after it: the server had served others before") {
    const bool well_again = GENERATE(true, false);
    const auto fault = GENERATE(Fault::hang, Fault::cut);
    std::latch good_done(1);
    Rig rig([&](const HttpRequest& request) {
        if (request.target == "/good" || (is_probe(request) && well_again)) return HttpReply{};
        good_done.wait();
        return broken(fault);
    });
    rig.timeout = 500ms;
    std::optional<Failure> failure;
    std::thread hung([&] { failure = rig.failure("/work"); });
    CHECK(test::eventually([&] { return rig.requests("/work") == 1; }));
    rig.call("/good");
    good_done.count_down();
    hung.join();
    CHECK(failure->type() == (well_again ? FailureType::job : FailureType::outage));
    CHECK(rig.probes() == 1);
}

TEST_CASE("calls that time out together leave half as many at once") {
    constexpr int callers = 4;
    Rig rig([](const HttpRequest& request) { return is_probe(request) ? HttpReply{} : broken(Fault::hang); },
            callers);
    rig.timeout = 300ms;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < callers; ++i) threads.emplace_back([&] { rig.failure("/work"); });
    }
    CHECK(rig.endpoint.snapshot().max_concurrent == callers / 2);
    rig.server.handle([](const HttpRequest&) { return HttpReply{}; });
    for (int i = 0; i < 16 * (2 + 3); ++i) rig.call("/good");
    CHECK(rig.endpoint.snapshot().max_concurrent == callers);
}

TEST_CASE("a success before the call began, or of another nature, is no evidence") {
    std::latch reads_done(1);
    Rig rig([&](const HttpRequest& request) {
        if (request.target == "/write") {
            reads_done.wait();
            return HttpReply{500};
        }
        return request.target == "/probe/write" ? HttpReply{500} : HttpReply{};
    });
    rig.call("/earlier", {}, Nature::write);
    std::optional<Failure> failure;
    std::thread writer([&] { failure = rig.failure("/write", {}, Nature::write); });
    CHECK(test::eventually([&] { return rig.requests("/write") == 1; }));
    rig.call("/read", {}, Nature::read);
    reads_done.count_down();
    writer.join();
    CHECK(failure->type() == FailureType::outage);
    CHECK(rig.requests("/probe/write") == 1);
}

TEST_CASE("calls that fail together share one run of the probe, whatever it says") {
    const bool passes = GENERATE(true, false);
    constexpr int callers = 12;
    std::latch all_there(callers);
    std::atomic<int> failed{0};
    Rig rig([&](const HttpRequest& request) {
        if (!is_probe(request)) {
            all_there.arrive_and_wait();
            return HttpReply{500};
        }
        test::eventually([&] { return failed == callers; });
        return HttpReply{passes ? 200 : 500};
    });
    std::atomic<int> outages{0}, charged{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < callers; ++i)
            threads.emplace_back([&] {
                try {
                    rig.endpoint.call(Nature::read, {}, [&] {
                        try {
                            rig.exchange("/work");
                        } catch (const Failure&) {
                            ++failed;
                            throw;
                        }
                    });
                } catch (const Failure& failure) {
                    if (failure.type() == FailureType::outage) ++outages;
                    if (failure.type() == FailureType::job) ++charged;
                }
            });
    }
    CHECK(rig.probes() == 1);
    CHECK(outages == (passes ? 0 : callers));
    CHECK(charged == (passes ? callers : 0));
    CHECK(rig.log.count("memoir.breaker.opened") == (passes ? 0 : 1));
}

TEST_CASE("a probe that is throttled or blocked opens the breaker as that, and the job is not charged") {
    Rig rig([](const HttpRequest& request) {
        return is_probe(request) ? HttpReply{429, "", {{"Retry-After", "7"}}} : HttpReply{500};
    });
    const auto failure = rig.failure();
    CHECK(failure.type() == FailureType::outage);
    CHECK(failure.retry_after == 7s);
    CHECK(rig.endpoint.snapshot().why == FailureType::throttled);
}

TEST_CASE("without a probe an ambiguous failure is an outage") {
    Rig rig([](const HttpRequest&) { return HttpReply{500}; });
    endpoint::Endpoint bare({"graph", 0, "graph.url"}, {}, rig.log, rig.clock);
    const auto call = [&] { bare.call(Nature::read, {}, [&] { rig.exchange("/work"); }); };
    try {
        call();
        FAIL("the call succeeded");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::outage);
        CHECK(failure.endpoint == "graph");
    }
    CHECK(rig.probes() == 0);
    CHECK_FALSE(bare.probe_if_due({}));
    rig.clock.advance(1s);
    CHECK(bare.probe_if_due({}));
    CHECK(bare.allows_claims());
    rig.server.handle([](const HttpRequest&) { return HttpReply{}; });
    CHECK_NOTHROW(call());
}

TEST_CASE("failures that are no ambiguous ones pass with the endpoint's name, other exceptions as they are") {
    Rig rig;
    const auto run = [&](const std::function<void()>& work) { rig.endpoint.call(Nature::read, {}, work); };
    try {
        run([] { throw Failure(FailureType::permanent, "too long for the model"); });
        FAIL("the call succeeded");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::permanent);
        CHECK(failure.reason() == "too long for the model");
        CHECK(failure.endpoint == "qdrant");
        CHECK_FALSE(failure.retry_after);
    }
    CHECK_THROWS_AS(run([] { throw std::bad_alloc(); }), std::bad_alloc);
    CHECK(rig.endpoint.call_for(Nature::read, {}, [] { return 42; }) == 42);
    CHECK(rig.endpoint.snapshot().in_flight == 0);
    CHECK(rig.endpoint.snapshot().calls == 3);
    CHECK(rig.endpoint.typical());
}

TEST_CASE("a provider's own class of failure comes out as it went in") {
    struct Refusal : Failure {
        explicit Refusal(FailureType type) : Failure(type, "HTTP 404") {}
    };
    Rig rig;
    const auto type = GENERATE(FailureType::permanent, FailureType::job, FailureType::blocked);
    try {
        rig.endpoint.call(Nature::read, {}, [&] { throw Refusal(type); });
        FAIL("the call succeeded");
    } catch (const Refusal& refusal) {
        CHECK(refusal.type() == type);
        CHECK(refusal.endpoint == "qdrant");
        CHECK(refusal.retry_after.has_value() == (type == FailureType::blocked));
    }
}

TEST_CASE("a blocked failure names the settings unless its hint names one already") {
    const std::vector<std::pair<std::string, std::string>> table{
        {"", "check vector.url, vector.api_key_file"},
        {"the server refuses", "the server refuses; check vector.url, vector.api_key_file"},
        {"create the collection that vector.collection names",
         "create the collection that vector.collection names"}};
    for (const auto& [given, shown] : table) {
        Rig rig;
        try {
            rig.endpoint.call(Nature::read, {}, [&, hint = given] {
                Failure failure(FailureType::blocked, "HTTP 404");
                failure.hint = hint;
                throw failure;
            });
            FAIL("the call succeeded");
        } catch (const Failure& failure) {
            CHECK(failure.hint == shown);
        }
        CHECK(rig.endpoint.snapshot().hint == shown);
    }
}
