#include "ctl/why.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace memoir::ctl;
using queue::JobState;

namespace {

queue::JobRow job(const std::string& kind, JobState state) {
    queue::JobRow row;
    row.id = 7;
    row.kind = kind;
    row.state = state;
    row.age = 90;
    return row;
}

queue::Host host(const std::string& nonce, std::vector<std::string> kinds, double seen,
                 const std::string& endpoints = "[]") {
    return {nonce, "web-1", 4711, "0.1.0", std::move(kinds), endpoints, seen};
}

// The text of the reason with this code; empty: it was not given.
std::string said(const WhyFacts& facts, const std::string& code) {
    for (const auto& reason : explain(facts))
        if (reason.code == code) return reason.text;
    return {};
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a pending job waits for its lane, with its place in the queue") {
    WhyFacts facts;
    facts.job = job("embed", JobState::pending);
    facts.hosts = {host("n", {"embed"}, 1)};
    CHECK(has(said(facts, "waiting"),
              "waiting for 90 s for a free loop in its lane; it is the next of its kind"));
    CHECK(explain(facts).size() == 1);
    facts.ahead = 12;
    CHECK(has(said(facts, "waiting"), "12 of its kind are ahead of it"));
    facts.ahead = 10'000;
    CHECK(has(said(facts, "waiting"), "10000+ of its kind are ahead of it"));
}

TEST_CASE("a pending job of a paused kind says since when and by whom") {
    WhyFacts facts;
    facts.job = job("embed", JobState::pending);
    facts.hosts = {host("n", {"embed"}, 1)};
    facts.pauses = {{"extract", "2026-01-01T00:00:00Z", "ann@ops"}};
    CHECK(said(facts, "paused").empty());
    facts.pauses = {{"*", "2026-01-01T00:00:00Z", "ann@ops"}};
    CHECK(has(said(facts, "paused"), "every kind was paused at 2026-01-01T00:00:00Z by ann@ops"));
    CHECK(explain(facts).front().code == "paused");
}

TEST_CASE("a pending job that no living host serves says so") {
    WhyFacts facts;
    facts.job = job("extract", JobState::pending);
    facts.hosts = {host("n", {"embed"}, 1), host("dead", {"extract"}, 61)};
    CHECK(has(said(facts, "no_host"), "no live host serves extract (hosts alive: 1)"));
    facts.hosts = {host("n", {"extract"}, 59)};
    CHECK(said(facts, "no_host").empty());
    facts.hosts.reset();
    CHECK(has(said(facts, "hosts_unknown"), "memoirctl schema apply"));
    CHECK(said(facts, "no_host").empty());
}

TEST_CASE("open breakers are told for living hosts that serve the kind, and nothing else") {
    const std::string open =
        R"([{"name":"qdrant","state":"open","why":"outage","reason":"refused","next_probe_ms":5000,"hint":"vector.url"},
            {"name":"embedding","state":"closed"}])";
    WhyFacts facts;
    facts.job = job("embed", JobState::pending);
    facts.hosts = {host("n", {"embed"}, 1, open)};
    CHECK(said(facts, "breaker") ==
          "on web-1:4711, qdrant is open: outage, refused, next probe in 5 s (HINT: vector.url)");
    facts.hosts = {host("n", {"embed"}, 1, R"([{"name":"embedding","state":"closed","held_ms":11001}])")};
    CHECK(said(facts, "rate_limit") ==
          "on web-1:4711, embedding is waiting for its provider's rate limit, for another 12 s");
    facts.hosts = {host("n", {"embed"}, 1, R"([{"name":"embedding","state":"closed","held_ms":0}])")};
    CHECK(said(facts, "rate_limit").empty());
    facts.hosts = {host("n", {"extract"}, 1, open), host("dead", {"embed"}, 100, open)};
    CHECK(said(facts, "breaker").empty());
    for (const auto* broken : {"", "{}", "no json", "[1, {\"state\": 3}]"}) {
        facts.hosts = {host("n", {"embed"}, 1, broken)};
        CHECK(said(facts, "breaker").empty());
    }
}

TEST_CASE("a suspect and a job that failed before say what happened") {
    WhyFacts facts;
    facts.job = job("embed", JobState::pending);
    facts.job.failure_reason = "holder died: web-1:4711";
    CHECK(has(said(facts, "suspect"), "holder died: web-1:4711"));
    facts.job.failure_reason = "reply did not parse";
    facts.job.attempts = 1;
    CHECK(said(facts, "failed_before") == "attempt 1 failed: reply did not parse");
}

TEST_CASE("a kind that memoird does not know is never claimed") {
    WhyFacts facts;
    facts.job = job("summarise", JobState::pending);
    REQUIRE(explain(facts).size() == 1);
    CHECK(explain(facts)[0].code == "unknown_kind");
}

TEST_CASE("a parked job says until when and because of what") {
    WhyFacts facts;
    facts.job = job("extract", JobState::parked);
    facts.job.due_at = "2026-01-01T00:00:30.000Z";
    facts.job.due_in = 30;
    facts.job.failure_reason = "extraction: 503";
    facts.hosts = std::vector<queue::Host>{};
    const auto text = said(facts, "parked");
    CHECK(has(text, "parked until 2026-01-01T00:00:30.000Z (in 30 s): extraction: 503"));
    CHECK_FALSE(said(facts, "no_host").empty());
    facts.job.due_in = -2;
    CHECK(has(said(facts, "parked"), "due; the next recovery makes it pending"));
}

TEST_CASE("a held job names the process, whether it lives, and how long its lease lasts") {
    WhyFacts facts;
    facts.job = job("embed", JobState::claimed);
    facts.job.claimed_by = "memoird/web-1:4711:nonce/embed.0.3";
    facts.job.claimed_for = 20;
    facts.hosts = {host("nonce", {"embed"}, 4)};
    CHECK(
        said(facts, "held") ==
        "held by web-1:4711, lane embed; last seen 4 s ago; the lease expires in 40 s unless it is renewed");
    facts.hosts = {host("nonce", {"embed"}, 400)};
    facts.job.claimed_for = 75;
    CHECK(has(said(facts, "held"), "not seen for 6 min; the lease expired 15 s ago"));
    facts.hosts = std::vector<queue::Host>{};
    CHECK(has(said(facts, "held"), "has no row in memoird_hosts"));
    facts.hosts.reset();
    CHECK(has(said(facts, "held"), "whether that process is alive is unknown"));
}

TEST_CASE("a job held by another worker is left to it for the foreign lease") {
    WhyFacts facts;
    facts.job = job("embed", JobState::claimed);
    facts.job.claimed_by = "worker-3";
    facts.job.claimed_for = 100;
    CHECK(has(said(facts, "held"),
              "held for 100 s by a worker that is not a memoird (worker-3); the lease expires in 8 min"));
    facts.job.claimed_by.reset();
    CHECK(has(said(facts, "held"), "(unnamed)"));
}

TEST_CASE("a failed job of the fan-in blocks its source, and its siblings say which one does") {
    WhyFacts facts;
    facts.job = job("extract", JobState::failed);
    facts.job.attempts = 3;
    facts.job.failure_reason = "reply did not parse";
    CHECK(has(said(facts, "failed"),
              "after 3 attempts: reply did not parse (memoirctl jobs retry or delete 7)"));
    CHECK_FALSE(said(facts, "blocks_fan_in").empty());
    facts.job = job("embed", JobState::failed);
    CHECK(said(facts, "blocks_fan_in").empty());

    auto sibling = job("relational_extract", JobState::failed);
    sibling.id = 12;
    facts.job = job("extract", JobState::pending);
    facts.siblings = {sibling};
    CHECK(has(said(facts, "failed_sibling"), "job 12 (relational_extract) of the same source failed"));
    facts.siblings[0].state = JobState::pending;
    CHECK(said(facts, "failed_sibling").empty());
}
