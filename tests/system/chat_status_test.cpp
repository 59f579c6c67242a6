// Why a chat server is not called: the STATUS line that systemd shows, and memoirctl status and jobs why.

#include <catch2/catch.hpp>

#include "system/chat_fixture.hpp"
#include "system/events.hpp"
#include "system/notify_socket.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

struct Fixture : ChatFixture {
    ChatDouble openai{"openai", {}};
    NotifySocket systemd;

    Memoird::Options watched() {
        auto all = options(openai.settings() + Settings{{"extraction.max_concurrent", "2"}});
        all.environment = systemd.environment();
        return all;
    }
    // memoirctl has it in its answer, or comes to have it: hosts write their rows with the heartbeat.
    bool answers(const Memoird& memoird, std::vector<std::string> command, const std::string& part) {
        Process::Options call{{memoirctl_PROGRAM, "--config", memoird.config_file()}, {}, {}};
        call.arguments.insert(call.arguments.end(), command.begin(), command.end());
        return eventually([&] {
            answer = run(call).output;
            return answer.find(part) != std::string::npos;
        });
    }
    std::string a_job() {
        return schema.value("select id::text from $schema.memory_jobs where state = 'pending' limit 1");
    }
    std::string answer{};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an account without money is told of, with what to do, wherever one looks") {
    openai.gate([](bool canary) {
        return canary ? HttpReply{} : HttpReply{429, R"({"error":{"code":"insufficient_quota"}})"};
    });
    wait_for("extract", 10);
    Memoird memoird(schema, embedder, watched());
    REQUIRE(told(memoird, "memoir.breaker.opened", "failure_type", "blocked"));
    CHECK(systemd.told("extraction open: blocked: HTTP 429 (insufficient_quota), next probe in "));
    CHECK(answers(memoird, {"status"}, "extraction is open: blocked, HTTP 429 (insufficient_quota)"));
    CHECK(answer.find("HINT: billing") != std::string::npos);
    CHECK(answers(memoird, {"jobs", "why", a_job()}, "extraction is open: blocked"));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "a provider's rate limit that is used up is told of as that") {
    wait_for("extract", 10);
    // A call an hour: what was granted once is not granted again while the test looks.
    openai.says([&](const std::string&, const HttpRequest&) {
        auto reply = openai.facts({});
        reply.headers = {{"x-ratelimit-limit-requests", "1"},
                         {"x-ratelimit-remaining-requests", "0"},
                         {"x-ratelimit-reset-requests", "1h0m0s"}};
        return reply;
    });
    Memoird memoird(schema, embedder, watched());
    CHECK(systemd.told("s for its rate limit"));
    CHECK(answers(memoird, {"status"}, "extraction is waiting for its provider's rate limit, for another "));
    CHECK(answers(memoird, {"jobs", "why", a_job()},
                  "extraction is waiting for its provider's rate limit, for another "));
    CHECK(left("extract") >= 8);  // one call, or two at once
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "calls that take all there may be are told of") {
    openai.gate(
        [](bool canary) { return canary ? HttpReply{} : HttpReply{.fault = HttpReply::Fault::hang}; });
    wait_for("extract", 10);
    Memoird memoird(schema, embedder, watched());
    CHECK(systemd.told("extraction has all of its 2 calls in flight"));
    CHECK(answers(memoird, {"status"}, "2 of 2"));
    openai.server().stop();
    CHECK(memoird.stop() == 0);
}
