#include "page/status_page.hpp"

#include <catch2/catch.hpp>

#include "page/assets.hpp"

using namespace std::chrono_literals;
using namespace memoir;
using page::render;
using page::Snapshot;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}
std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

// What a person sees: the document without its style, its script and its tags.
std::string visible(std::string html) {
    for (const std::string tag : {"style", "script"}) {
        const auto begin = html.find("<" + tag), end = html.find("</" + tag + ">");
        html.erase(begin, end - begin);
    }
    std::string text;
    bool inside = false;
    for (const char c : html) {
        if (c == '<') inside = true;
        if (!inside) text += c;
        if (c == '>') {
            inside = false;
            text += ' ';
        }
    }
    return text;
}

Snapshot ready() {
    Snapshot now;
    now.version = "1.2.3";
    now.host = "worker-7";
    now.schema = "memoir";
    now.pid = 4711;
    now.made = std::chrono::system_clock::time_point(std::chrono::seconds(1'769'860'800));
    now.started = now.made - 3h - 5min;
    now.phase = Snapshot::Phase::ready;
    now.database_up = true;
    now.pool_in_use = 2;
    now.pool_size = 8;
    return now;
}

endpoint::Snapshot breaker(const std::string& name, endpoint::State state) {
    endpoint::Snapshot snapshot;
    snapshot.name = name;
    snapshot.state = state;
    snapshot.why = FailureType::blocked;
    snapshot.calls = 1'234;
    return snapshot;
}

queue::Depth depth(const std::string& kind, std::int64_t pending) {
    queue::Depth depth;
    depth.kind = kind;
    depth.pending = pending;
    return depth;
}

}  // namespace

TEST_CASE("shows which memoird it is, for how long it has been running, and its state") {
    auto now = ready();
    const auto text = visible(render(now));
    for (const char* part :
         {"worker-7", "4711", "1.2.3", "memoir", "3 h 5 min", "ready", "2 of 8 connections"})
        CHECK(contains(text, part));
    now.phase = Snapshot::Phase::draining;
    CHECK(contains(visible(render(now)), "Draining"));
    now.phase = Snapshot::Phase::ready;
    now.database_up = false;
    CHECK(contains(visible(render(now)), "The database is unavailable"));
    now.phase = Snapshot::Phase::starting;
    CHECK(contains(visible(render(now)), "Starting"));
    CHECK_FALSE(contains(visible(render(now)), "The database is unavailable"));
    CHECK(contains(render(Snapshot{}), "</html>"));
}

TEST_CASE("shows lanes, and for how long jobs have been running") {
    auto now = ready();
    now.lanes = {{"llm", {"extract", "reprocess"}, 8, 1, 2, 3}};
    now.work = {{815, "extract", "pid-of-a-memory", "llm.3", 74s}};
    const auto text = visible(render(now));
    for (const char* part : {"llm", "2 of 8 loops busy", "3 jobs in hand", "batch 1", "extract, reprocess",
                             "815", "pid-of-a-memory", "llm.3", "1 min 14 s"})
        CHECK(contains(text, part));
}

TEST_CASE("shows a few jobs of a large batch, and how many more there are") {
    auto now = ready();
    for (int job = 0; job < 32; ++job) now.work.push_back({job, "embed", "pid", "embed.0", 1s});
    now.work.push_back({99, "extract", "pid", "llm.0", 500ms});
    const auto html = render(now);
    CHECK(count(html, "<td>embed.0</td>") == 5);
    CHECK(count(html, "<td>llm.0</td>") == 1);
    CHECK(contains(visible(html), "and 27 more: embed.0 has 32"));
    // However many loops there are, the page stays one that can be read.
    for (int loop = 0; loop < 1'000; ++loop)
        now.work.push_back({loop, "extract", "pid", "llm." + std::to_string(loop), 1s});
    CHECK(count(render(now), "<td class=\"id\">pid</td>") == 100);
}

TEST_CASE(
    "shows pending and failed jobs by kind, the age of the oldest, and counts that stopped at their limit") {
    auto now = ready();
    page::Kind embed{"embed"};
    embed.depth = depth("embed", 10'000);
    embed.depth->beyond[0] = true;
    embed.depth->oldest = 7'500.5;
    embed.depth->failed = 3;
    embed.lane = "embed";
    embed.waits_for = {"qdrant"};
    page::Kind extract{"extract"};
    extract.depth = depth("extract", 10'000);
    extract.left = "no [extraction] section here";
    now.kinds = {embed, extract};
    now.counted_before = 3s;
    const auto html = render(now);
    const auto text = visible(html);
    CHECK(contains(html, ">10,000+<"));
    CHECK(contains(html, ">10,000<"));
    CHECK(contains(html, "<td class=\"n bad\">3</td>"));
    CHECK(contains(text, "2 h 5 min"));
    CHECK(contains(text, "counted 3 s ago"));
    CHECK(contains(text, "waiting for qdrant"));
    CHECK(contains(text, "left to other hosts: no [extraction] section here"));
    now.counted_before.reset();
    for (auto& kind : now.kinds) kind.depth.reset();
    CHECK(contains(visible(render(now)), "not counted yet"));
}

TEST_CASE("shows breakers, why they are open, and the hint") {
    auto now = ready();
    now.endpoints = {breaker("embedding", endpoint::State::closed),
                     breaker("extraction", endpoint::State::open)};
    now.endpoints[1].reason = "HTTP 401";
    now.endpoints[1].hint = "check extraction.api_key_file";
    now.endpoints[1].next_probe = 14min;
    const auto text = visible(render(now));
    for (const char* part :
         {"embedding", "closed", "1,234 calls", "extraction", "open", "blocked", "HTTP 401",
          "check extraction.api_key_file", "next probe in 14 min", "extraction is not called"})
        CHECK(contains(text, part));
    CHECK_FALSE(contains(text, "embedding is not called"));
}

TEST_CASE("says at the top what is paused, and how to resume it") {
    auto now = ready();
    now.paused = {"embed"};
    CHECK(contains(visible(render(now)), "memoirctl resume --kind embed"));
    now.paused = {"*"};
    CHECK(contains(visible(render(now)), "The whole fleet is paused"));
}

TEST_CASE("shows the last events, newest first, with the fields that are safe and no others") {
    auto now = ready();
    now.events.push_back(
        {now.made - 60s, {telemetry::Level::info, "memoir.worker.started", "memoird is ready", {}}});
    now.events.push_back({now.made - 5s,
                          {telemetry::Level::error,
                           "memoir.worker.job_failed",
                           "job failed permanently\nHINT: twice",
                           {{"job_id", std::int64_t{42}},
                            {"error", std::string("HTTP 400")},
                            {"url", std::string("http://u:secret@x")},
                            {"text", std::string("what was said")},
                            {"hint", std::string("look")}}}});
    const auto text = visible(render(now));
    for (const char* part : {"memoir.worker.job_failed", "job failed permanently", "job_id 42",
                             "error HTTP 400", "look", "11:59:55", "error"})
        CHECK(contains(text, part));
    CHECK(text.find("job_failed") < text.find("worker.started"));
    for (const char* part : {"secret", "what was said", "twice"}) CHECK_FALSE(contains(text, part));
}

TEST_CASE("shows names that were made to break the page as text") {
    const std::string evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&\u202e";
    auto now = ready();
    now.host = now.version = now.schema = evil;
    now.lanes = {{evil, {evil}, 1, 1, 1, 1}};
    now.work = {{1, evil, evil, evil, 1s}};
    page::Kind kind{evil};
    kind.depth = depth(evil, 1);
    kind.left = evil;
    kind.waits_for = {evil};
    page::Kind served = kind;
    served.lane = evil;
    now.kinds = {kind, served};
    now.paused = {evil};
    now.endpoints = {breaker(evil, endpoint::State::open)};
    now.endpoints[0].reason = now.endpoints[0].hint = evil;
    now.events.push_back({now.made,
                          {telemetry::Level::warning,
                           "memoir.llm.configured",
                           evil,
                           {{"model", evil}, {"error", evil}, {"hint", evil}}}});
    const auto html = render(now);
    // The page's own script, and nothing of theirs.
    CHECK(count(html, "<script") == 1);
    CHECK(count(html, "<img") == 0);
    CHECK(count(html, "&lt;script&gt;alert(1)&lt;/script&gt;") >= 15);
    CHECK_FALSE(contains(html, "\u202e"));
    CHECK(contains(html, "\\u{202e}"));
}

TEST_CASE("the page loads nothing from other hosts, and its headers allow nothing else") {
    const auto html = render(ready());
    for (const char* part : {"http://", "https://", "//cdn", "@import", "url(", " style=\"", " onclick"})
        CHECK_FALSE(contains(html, part));
    CHECK(contains(html, "width=device-width"));
    CHECK(contains(html, "prefers-color-scheme: dark"));
    CHECK(contains(html, "http-equiv=\"refresh\""));
    std::string policy;
    for (const auto& [name, value] : page::headers())
        if (name == "Content-Security-Policy") policy = value;
    CHECK(contains(policy, "default-src 'none'"));
    CHECK(contains(policy, "frame-ancestors 'none'"));
    CHECK_FALSE(contains(policy, "unsafe"));
    // What stands between the tags is what the hashes are of.
    for (const std::string tag : {"style", "script"}) {
        const auto begin = html.find("<" + tag + ">") + tag.size() + 2;
        const auto part = html.substr(begin, html.find("</" + tag + ">") - begin);
        CHECK(contains(policy, tag + "-src 'sha256-" + page::csp_hash(part) + "'"));
    }
    CHECK(page::csp_hash("") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}
