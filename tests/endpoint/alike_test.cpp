// A server that refuses everybody while its probe passes, and one memory that alone is refused.
#include <latch>

#include "endpoint/rig.hpp"

using namespace memoir;
using endpoint::alike_jobs;
using endpoint::is_of_everybody;
using endpoint::is_unconfirmed;
using endpoint::OnBehalf;
using endpoint::State;
using test::HttpReply;
using test::HttpRequest;
using test::Rig;
using namespace std::chrono_literals;

namespace {

bool is_probe(const HttpRequest& request) {
    return request.target.starts_with("/probe");
}

Failure refused(Rig& rig, std::int64_t job, const std::string& path = "/work") {
    const OnBehalf jobs({job});
    return rig.failure(path);
}

}  // namespace

TEST_CASE("a server that refuses every job is blocked after a few, and none is charged") {
    const int status = GENERATE(400, 409, 422, 500);
    CAPTURE(status);
    Rig rig([&](const HttpRequest& request) { return HttpReply{is_probe(request) ? 200 : status}; });
    for (std::int64_t job = 1; job < alike_jobs; ++job) {
        CHECK(is_unconfirmed(refused(rig, job)));
        CHECK(rig.endpoint.allows_claims());
    }
    const auto last = refused(rig, alike_jobs);
    CHECK(is_of_everybody(last));
    CHECK_FALSE(last.own());
    CHECK(last.type() == (status == 500 ? FailureType::outage : FailureType::blocked));
    // What would end a job at once was held back, and not charged.
    const bool counted = status == 409 || status == 500;
    CHECK(rig.endpoint.take_charged() == (counted ? endpoint::Jobs{1, 2, 3, 4} : endpoint::Jobs{}));
    CHECK(rig.endpoint.take_charged().empty());
    CHECK_FALSE(last.hint.empty());
    CHECK_FALSE(rig.endpoint.allows_claims());
    CHECK(rig.log.count("memoir.breaker.opened") == 1);
    CHECK(rig.server.requests().size() <= alike_jobs + 3U);
    CHECK(rig.endpoint.snapshot().next_probe <= 5s);

    SECTION("one more is asked for after each probe that passes, in growing distances") {
        for (const auto longest : {10s, 20s, 40s, 80s, 120s, 120s}) {
            rig.pass_time_to_probe();
            CHECK(rig.endpoint.probe_if_due({}));
            CHECK(is_of_everybody(refused(rig, alike_jobs + 1)));
            CHECK(rig.endpoint.snapshot().next_probe <= longest);
            CHECK(rig.endpoint.snapshot().next_probe > longest / 2);
        }
    }
    SECTION("and once it is mended the next one is served") {
        rig.server.handle([](const HttpRequest&) { return HttpReply{}; });
        rig.pass_time_to_probe();
        CHECK(rig.endpoint.probe_if_due({}));
        CHECK(rig.log.count("memoir.breaker.closed") == 0);
        const OnBehalf jobs({1});
        rig.call();
        CHECK(rig.endpoint.snapshot().state == State::ramping);
        CHECK(rig.log.count("memoir.breaker.closed") == 1);
    }
    CHECK(rig.log.count("memoir.breaker.opened") == 1);
}

TEST_CASE("one that is refused among others that are served fails at its second try") {
    Rig rig([&](const HttpRequest& request) { return HttpReply{request.target == "/odd" ? 400 : 200}; });
    const auto first = refused(rig, 1, "/odd");
    CHECK(first.type() == FailureType::permanent);
    CHECK(is_unconfirmed(first));
    CHECK(first.retry_after >= 1s);
    {
        const OnBehalf jobs({2});
        rig.call();
    }
    const auto second = refused(rig, 1, "/odd");
    CHECK(second.type() == FailureType::permanent);
    CHECK_FALSE(is_unconfirmed(second));
    CHECK(rig.endpoint.allows_claims());
}

TEST_CASE("one that is alone in the queue fails at its second try, as the probe passes") {
    Rig rig([&](const HttpRequest& request) { return HttpReply{is_probe(request) ? 200 : 400}; });
    CHECK(is_unconfirmed(refused(rig, 1)));
    CHECK_FALSE(is_unconfirmed(refused(rig, 1)));
}

TEST_CASE("a server that is mended between two tries of a job has refused nobody for good") {
    std::atomic<bool> refuses = true;
    Rig rig([&](const HttpRequest& request) { return HttpReply{refuses && !is_probe(request) ? 400 : 200}; });
    CHECK(is_unconfirmed(refused(rig, 1)));
    refuses = false;
    const OnBehalf jobs({1});
    rig.call();
}

TEST_CASE("calls in flight when a server begins to refuse are judged by what follows") {
    std::latch good_done(1);
    Rig rig([&](const HttpRequest& request) {
        if (request.target != "/late") return HttpReply{};
        good_done.wait();
        return HttpReply{400};
    });
    std::optional<Failure> failure;
    std::thread late([&] { failure = refused(rig, 1, "/late"); });
    CHECK(test::eventually([&] { return rig.requests("/late") == 1; }));
    {
        const OnBehalf jobs({2});
        rig.call();
    }
    good_done.count_down();
    late.join();
    CHECK(failure->type() == FailureType::permanent);
    CHECK(is_unconfirmed(*failure));
}

TEST_CASE("a limit that one job alone meets holds up the others once") {
    Rig rig([&](const HttpRequest& request) { return HttpReply{request.target == "/odd" ? 429 : 200}; });
    CHECK(refused(rig, 1, "/odd").type() == FailureType::throttled);
    CHECK_FALSE(rig.endpoint.allows_claims());
    rig.pass_time_to_probe();
    CHECK(rig.endpoint.probe_if_due({}));
    {
        const OnBehalf jobs({2});
        rig.call();
    }
    rig.clock.advance(2s);
    const auto again = refused(rig, 1, "/odd");
    CHECK(again.type() == FailureType::throttled);
    CHECK(again.alone);
    CHECK(rig.endpoint.snapshot().state == State::ramping);
    SECTION("but where others meet it, too, it is the account's") {
        rig.clock.advance(2s);
        CHECK_FALSE(refused(rig, 3, "/odd").alone);
        CHECK_FALSE(rig.endpoint.allows_claims());
    }
}

TEST_CASE("a probe that is refused says that the endpoint does not work") {
    const int status = GENERATE(400, 409, 422);
    CAPTURE(status);
    Rig rig([&](const HttpRequest&) { return HttpReply{status}; });
    CHECK_FALSE(rig.endpoint.probe_if_due({}, true));
    const auto shown = rig.endpoint.snapshot();
    CHECK(shown.state == State::open);
    CHECK(shown.why == FailureType::blocked);
    CHECK(shown.hint.find("vector.url") != std::string::npos);
    CHECK(shown.next_probe <= 5s);
}

TEST_CASE("as long as nothing was served no more calls run at once than it takes to see a pattern") {
    Rig rig([](const HttpRequest&) { return HttpReply{}; }, 0, alike_jobs);
    {
        std::vector<endpoint::Permit> permits;
        for (int at = 0; at < alike_jobs; ++at) {
            auto permit = rig.endpoint.reserve();
            REQUIRE(permit);
            permits.push_back(std::move(*permit));
        }
        CHECK_FALSE(rig.endpoint.reserve());
    }
    rig.call();
    std::vector<endpoint::Permit> permits;
    for (int at = 0; at <= alike_jobs; ++at) {
        auto permit = rig.endpoint.reserve();
        REQUIRE(permit);
        permits.push_back(std::move(*permit));
    }
}
