// Chat servers that are away, hung, short of money or stingy, with many jobs waiting: it costs time, no job
// and no attempt; and one poison job among many fails alone.

#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>

#include "system/chat_fixture.hpp"
#include "system/events.hpp"

using namespace memoir;
using namespace memoir::test;
using namespace std::chrono_literals;
using Moment = std::chrono::steady_clock::time_point;

namespace {

HttpReply away(bool) {
    return {503, "{}"};
}

// Calls that arrived from `begin` until `seconds` later.
int arrived(const std::vector<ChatDouble::Arrival>& arrivals, Moment begin, int seconds) {
    int count = 0;
    for (const auto& arrival : arrivals)
        count += !arrival.canary && arrival.at >= begin && arrival.at < begin + std::chrono::seconds(seconds);
    return count;
}

}  // namespace

TEST_CASE_METHOD(ChatFixture,
                 "an outage of all models with 5,000 jobs waiting sends canaries alone, costs no attempt, "
                 "and ends in a ramp") {
    wait_for("extract", 5'000);
    fill(schema, 200);
    Memoird memoird(schema, embedder, options({{"log.level", "\"warning\""}}));
    REQUIRE(eventually([&] { return chat.calls().size() > 50; }));
    chat.gate(away);
    embedder.before([](const HttpRequest&) { return HttpReply{503, "{}"}; });
    REQUIRE(told(memoird, "memoir.breaker.opened", "endpoint", "extraction"));

    // What was on its way has arrived by the first canary: one call at a time would be in its place.
    const auto canaries = chat.canaries();
    REQUIRE(eventually([&] { return chat.canaries() > canaries; }));
    const auto calls = chat.arrivals().size();
    REQUIRE(eventually([&] { return chat.canaries() >= canaries + 3; }));
    chat.gate([](bool) { return HttpReply{}; });
    embedder.before({});
    const auto during = chat.arrivals();
    for (auto at = calls; at < during.size(); ++at) CHECK(during[at].canary);
    // At once, after 1 s, after 2 s more, and so on, a quarter less at most: three of them take some seconds.
    const auto last = during.back().at;
    CHECK(last - during[calls - 1].at > 2s);
    CHECK(left("extract") > 4'000);

    REQUIRE(eventually([&] { return left("extract") == 0 && left("embed") == 0; }, 2min));
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
    CHECK(memoird.events("memoir.worker.job_failed").empty());

    // The ramp begins with the canary that passed. Up to its second s no more than 1 + 2 + … calls begin, and
    // what a late start may catch up with (50 ms of the rate).
    const auto all = chat.arrivals();
    std::size_t passed = during.size();
    while (!all[passed].canary) ++passed;
    int before = 0;
    for (int second = 1; second <= 8; ++second) {
        const auto total = arrived(all, all[passed].at, second);
        CAPTURE(second, total);
        CHECK(total <= 1.2 * std::exp2(second) + 2);
        std::cout << "second " << second << " of the ramp: " << total - before << " calls\n";
        before = total;
    }
    CHECK(before > 0);
    for (const auto& [memory, count] : chat.calls())
        CHECK(count <= 2);  // one that the outage met, and one more
}

TEST_CASE_METHOD(ChatFixture,
                 "a server that hangs with 1,000 jobs waiting costs none of them an attempt, and no other "
                 "lane its time") {
    wait_for("extract", 1'000);
    Memoird memoird(schema, embedder, options({{"extraction.timeout", "\"1s\""}}));
    REQUIRE(eventually([&] { return chat.calls().size() > 20; }));
    chat.gate([](bool) { return HttpReply{.fault = HttpReply::Fault::hang}; });
    fill(schema, 500);
    REQUIRE(told(memoird, "memoir.breaker.opened", "endpoint", "extraction"));
    const auto canaries = chat.canaries();
    REQUIRE(eventually([&] { return left("embed") == 0; }));
    REQUIRE(eventually([&] { return chat.canaries() >= canaries + 2; }));
    CHECK(left("extract") > 0);
    CHECK(attempts() == 0);
    chat.gate({});
    REQUIRE(eventually([&] { return left("extract") == 0; }, 1min));
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
    CHECK(schema.number("select count(*) from $schema.memoird_vectors") == 500);
}

TEST_CASE_METHOD(ChatFixture,
                 "a job that makes the server cut the connection fails alone among many that succeed") {
    using Fault = HttpReply::Fault;
    const std::map<std::string, Fault> poison{
        {"poison1", Fault::cut}, {"poison2", Fault::reset}, {"poison3", Fault::close}};
    chat.says([&](const std::string& memory, const HttpRequest&) {
        auto reply = chat.facts({});
        if (const auto found = poison.find(memory); found != poison.end()) reply.fault = found->second;
        return reply;
    });
    wait_for("extract", 100, "first");
    wait_for("extract", static_cast<int>(poison.size()), "poison");
    wait_for("extract", 100, "last");
    Memoird memoird(schema, embedder, options({{"worker.max_attempts", "2"}}));
    REQUIRE(eventually([&] {
        return schema.number("select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
    }));
    CHECK(memoird.stop() == 0);
    CHECK(schema.value("select string_agg(source_pid || '/' || attempts, ' ' order by source_pid) from "
                       "$schema.memory_jobs") == "poison1/2 poison2/2 poison3/2");
    CHECK(attempts() == 2 * static_cast<std::int64_t>(poison.size()));
    CHECK(memoird.events("memoir.breaker.opened").empty());
    // Where a kept connection ends before a byte of the answer, the request is sent once more on a new one.
    // And those that are cut together are spared the first time.
    for (const auto& [memory, count] : chat.calls()) CHECK(count <= (poison.contains(memory) ? 6 : 1));
}

TEST_CASE_METHOD(
    ChatFixture,
    "an account without money blocks its endpoint for 15 minutes, says so, and costs no attempt") {
    struct Refusal {
        std::string provider;
        int status;
        std::string body;
    };
    const auto refusal = GENERATE(
        Refusal{
            "openai", 429,
            R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":null}})"},
        Refusal{
            "anthropic", 429,
            R"({"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}})"},
        Refusal{
            "anthropic", 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}})"});
    CAPTURE(refusal.provider, refusal.status);
    ChatDouble shop(refusal.provider, {});
    shop.gate([&](bool canary) { return canary ? HttpReply{} : HttpReply{refusal.status, refusal.body}; });
    wait_for("extract", 200);
    Memoird memoird(schema, embedder,
                    options(shop.settings() + Settings{{"extraction.max_concurrent", "2"}}));
    REQUIRE(told(memoird, "memoir.breaker.opened", "failure_type", "blocked"));
    const auto opened = events(memoird, "memoir.breaker.opened").front();
    CHECK(text_of(opened, "hint").find("billing") != std::string::npos);
    CHECK(text_of(opened, "hint").find("extraction.api_key_file") != std::string::npos);
    CHECK(opened.value("next_probe_ms", 0) > 14 * 60'000);
    // Whoever was on the way waits as long, and the others are left alone.
    REQUIRE(eventually([&] {
        return schema.number("select count(*) from $schema.memory_jobs where claimed_by like 'memoird/%'") ==
               0;
    }));
    CHECK(
        schema.number("select coalesce(min(extract(epoch from claimed_at - now())::integer + 60), 900) from "
                      "$schema.memory_jobs where claimed_by = 'parked'") > 840);
    CHECK(memoird.stop() == 0);
    CHECK(attempts() == 0);
    CHECK(left("extract") == 200);
    CHECK(shop.calls().size() <= 2);
}

TEST_CASE_METHOD(
    ChatFixture,
    "a server that answers one call after the other, each late, is asked less at once; no job fails") {
    constexpr auto each = 60ms;  // 8 at once take 480 ms, the time-out is 400 ms
    std::mutex mutex;
    Moment free{};
    chat.says([&](const std::string&, const HttpRequest&) {
        auto reply = chat.facts({});
        std::lock_guard lock(mutex);
        const auto now = std::chrono::steady_clock::now();
        free = std::max(free, now) + each;
        reply.delay = std::chrono::ceil<std::chrono::milliseconds>(free - now);
        return reply;
    });
    wait_for("extract", 150);
    Memoird memoird(schema, embedder, options({{"extraction.timeout", "\"400ms\""}}));
    REQUIRE(eventually([&] { return left("extract") == 0; }, 1min));
    CHECK(memoird.stop() == 0);
    CHECK(attempts() < 50);  // what the first halvings met; without them jobs fail in the end
    std::cout << attempts() << " attempts counted, " << chat.arrivals().size() << " calls for 150 jobs\n";
}
