#include "telemetry/metrics.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <limits>
#include <thread>

using namespace memoir::telemetry;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// `promtool check metrics` with the text as its input: exit status, and whatever it has to say.
std::pair<int, std::string> promtool(const std::string& text) {
    char name[] = "/tmp/telemetry.metrics.XXXXXX";
    const int file = mkstemp(name);
    REQUIRE(write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    close(file);
    std::FILE* pipe = popen(("promtool check metrics <" + std::string(name) + " 2>&1").c_str(), "r");
    REQUIRE(pipe);
    std::string output;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
    const int code = pclose(pipe);
    unlink(name);
    return {code, output};
}

void fill(Metrics& metrics) {
    metrics.claims.add({"embed"}, 32);
    metrics.settles.add({"embed", "completed", "none"}, 31);
    metrics.settles.add({"embed", "failed", "permanent"});
    metrics.attempts.add({"embed"});
    metrics.retries.add({"extract"});
    metrics.leases_lost.add({"extract"});
    metrics.released.add({"extract"});
    metrics.recovered.add({"extract", "foreign"});
    metrics.queue_jobs.set({"embed", "pending"}, 10'000);
    metrics.queue_jobs_capped.set({"embed", "pending"}, 1);
    metrics.queue_oldest.set({"embed"}, 12.5);
    metrics.in_flight.set({"embed"}, 3);
    metrics.loops.set({"embed"}, 2);
    metrics.breaker.set({"qdrant", "open"}, 1);
    metrics.paused.set({"*"}, 0);
    metrics.unserved.set({"synthesize"}, 1);
    metrics.wait.observe({"embed"}, std::chrono::milliseconds(3));
    metrics.run.observe({"embed"}, std::chrono::milliseconds(30));
    metrics.settle.observe({"embed"}, std::chrono::microseconds(300));
    metrics.calls.observe({"qdrant"}, 0.2);
    metrics.call_failures.add({"qdrant", "outage"});
    metrics.tokens.observe({"extraction", "output"}, 100);
}

}  // namespace

TEST_CASE("promtool finds nothing to say about the exposition") {
    Metrics metrics;
    fill(metrics);
    const auto [code, output] = promtool(metrics.exposition());
    CHECK(code == 0);
    CHECK(output == "");
}

TEST_CASE("counts by label values") {
    Metrics metrics;
    fill(metrics);
    const std::string text = metrics.exposition();
    CHECK(contains(text, "# TYPE memoird_claims_total counter\nmemoird_claims_total{kind=\"embed\"} 32\n"));
    CHECK(
        contains(text, "memoird_settles_total{kind=\"embed\",outcome=\"failed\",failure=\"permanent\"} 1\n"));
    CHECK(contains(text, "memoird_queue_oldest_seconds{kind=\"embed\"} 12.5\n"));
    CHECK(contains(text, "\nmemoird_draining 0\n"));
    CHECK(contains(text, "memoird_build_info{version=\"" MEMOIRD_VERSION "\"} 1\n"));
    CHECK(contains(text, "\nprocess_resident_memory_bytes "));
}

TEST_CASE("a histogram's buckets are cumulated and their bounds inclusive") {
    HistogramFamily family("x_seconds", "Help.", {"kind"}, {1, 2.5});
    for (const double value : {0.5, 1.0, 2.0, 2.5, 3.0}) family.observe({"k"}, value);
    std::string text;
    family.append(text);
    CHECK(text ==
          "# HELP x_seconds Help.\n# TYPE x_seconds histogram\n"
          "x_seconds_bucket{kind=\"k\",le=\"1\"} 2\n"
          "x_seconds_bucket{kind=\"k\",le=\"2.5\"} 4\n"
          "x_seconds_bucket{kind=\"k\",le=\"+Inf\"} 5\n"
          "x_seconds_sum{kind=\"k\"} 9\n"
          "x_seconds_count{kind=\"k\"} 5\n");
}

TEST_CASE("a histogram without labels has only le") {
    HistogramFamily family("x", "Help.", {}, {1});
    family.observe({}, 1);
    std::string text;
    family.append(text);
    CHECK(contains(text, "x_bucket{le=\"1\"} 1\n"));
    CHECK(contains(text, "\nx_sum 1\nx_count 1\n"));
}

TEST_CASE("escapes what would break a line") {
    GaugeFamily family("x", "One\\two\nthree \"four\".", {"label"});
    family.set({"a\\b\"c\nd"}, 1);
    std::string text;
    family.append(text);
    CHECK(text ==
          "# HELP x One\\\\two\\nthree \"four\".\n# TYPE x gauge\n"
          "x{label=\"a\\\\b\\\"c\\nd\"} 1\n");
}

TEST_CASE("writes infinities and what is not a number as Prometheus reads them") {
    GaugeFamily family("x", "Help.", {"l"});
    family.set({"a"}, std::numeric_limits<double>::infinity());
    family.set({"b"}, -std::numeric_limits<double>::infinity());
    family.set({"c"}, std::numeric_limits<double>::quiet_NaN());
    std::string text;
    family.append(text);
    CHECK(contains(text, "x{l=\"a\"} +Inf\nx{l=\"b\"} -Inf\nx{l=\"c\"} NaN\n"));
}

TEST_CASE("refuses another number of label values than declared") {
    Metrics metrics;
    CHECK_THROWS_AS(metrics.claims.add({}), std::logic_error);
    CHECK_THROWS_AS(metrics.claims.add({"embed", "more"}), std::logic_error);
}

TEST_CASE("a counter that follows another never goes back") {
    Counter counter;
    counter.follow(5);
    counter.follow(3);
    CHECK(counter.value() == 5);
    counter.follow(7);
    CHECK(counter.value() == 7);
}

TEST_CASE("refreshes what is only worth reading before an exposition") {
    Metrics metrics;
    int asked = 0;
    metrics.before_exposition([&] { metrics.in_flight.set({"embed"}, ++asked); });
    CHECK(contains(metrics.exposition(), "memoird_jobs_in_flight{lane=\"embed\"} 1\n"));
    CHECK(contains(metrics.exposition(), "memoird_jobs_in_flight{lane=\"embed\"} 2\n"));
}

TEST_CASE("forgets the series of a gauge that was cleared") {
    Metrics metrics;
    metrics.paused.set({"embed"}, 1);
    metrics.paused.clear();
    CHECK_FALSE(contains(metrics.exposition(), "memoird_paused{"));
}

TEST_CASE("loses no count with many threads on one series") {
    Metrics metrics;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 10'000; ++i) {
                    metrics.claims.add({"embed"});
                    metrics.in_flight.add({"embed"}, 1);
                    metrics.run.observe({"embed"}, 1.0);
                }
            });
    }
    CHECK(metrics.claims.value({"embed"}) == 40'000);
    CHECK(metrics.in_flight.value({"embed"}) == 40'000);
    CHECK(metrics.run.with({"embed"}).sum() == 40'000);
}
