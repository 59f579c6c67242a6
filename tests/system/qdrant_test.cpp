// The vector index and the embedding server break in every way they can: what is charged to whom, and that
// work goes on by itself.

#include <catch2/catch.hpp>
#include <cmath>
#include <csignal>

#include "support/qdrant_double.hpp"
#include "system/events.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    QdrantDouble& qdrant = QdrantDouble::shared();

    Fixture() { count_effects(schema); }

    Memoird::Options options(const std::map<std::string, std::string>& more = {}) const {
        const std::map<std::string, std::string> own{
            {"vector.backend", "\"qdrant\""}, {"vector.url", "\"" + qdrant.url() + "\""},
            {"vector.timeout", "\"1s\""},     {"embedding.timeout", "\"1s\""},
            {"worker.max_attempts", "2"},     {"worker.retry_base", "\"100ms\""},
            {"worker.retry_cap", "\"1s\""}};
        return {.settings = embed_lane(1, 8) + own + more};
    }
    std::vector<std::string> remember(int count) {
        std::vector<std::string> pids;
        for (int at = 0; at < count; ++at) {
            pids.push_back(schema.memory("text " + std::to_string(at)));
            schema.job(pids.back(), "embed");
        }
        return pids;
    }
    std::int64_t jobs() { return schema.number("select count(*) from $schema.memory_jobs"); }
    std::int64_t attempts() { return schema.number("select count(*) from $schema.attempts"); }
    std::string status(const std::string& pid) {
        return schema.value("select qdrant_status from $schema.memories where pid = $1",
                            pg::Params().add(pid));
    }
    bool all_indexed() {
        return eventually([&] {
            return jobs() == 0 &&
                   schema.number("select count(*) from $schema.memories where qdrant_status <> 'indexed'") ==
                       0;
        });
    }
    // Each memory has its one point.
    bool all_found(const std::vector<std::string>& pids) {
        return qdrant.points().size() == pids.size() &&
               std::all_of(pids.begin(), pids.end(),
                           [&](const auto& pid) { return qdrant.payload(pid).is_object(); });
    }
    // The culprit's job is charged and ends failed, the others are done, and nobody called it an outage.
    void check_one_failed(Memoird& memoird, const std::vector<std::string>& pids, const std::string& culprit,
                          const std::string& type, int attempts_made) {
        INFO(memoird.log());
        REQUIRE(eventually([&] {
            return schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 1 &&
                   jobs() == 1;
        }));
        CHECK(schema.value("select source_pid from $schema.memory_jobs") == culprit);
        CHECK(schema.number("select attempts from $schema.memory_jobs") == attempts_made);
        CHECK(attempts() == attempts_made);
        CHECK_FALSE(schema.value("select failure_reason from $schema.memory_jobs").empty());
        for (const auto& pid : pids) CHECK(status(pid) == (pid == culprit ? "failed" : "indexed"));
        REQUIRE(told(memoird, "memoir.worker.job_failed", "outcome", "failed"));
        CHECK(values(memoird, "memoir.worker.job_failed", "source_pid") == std::set{culprit});
        CHECK(values(memoird, "memoir.worker.job_failed", "failure_type") == std::set{type});
        // Refused once it may wait, until another job has been served or it is refused again.
        CHECK(events(memoird, "memoir.worker.job_parked").size() <= 1);
        CHECK(events(memoird, "memoir.breaker.opened").empty());
    }
};

// Every call meets it; what it must be taken for.
struct Break {
    QdrantDouble::Fault fault;
    std::string type;
};

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "Qdrant is away for the whole run, then back: no attempt is counted and all are indexed") {
    qdrant.stop();
    const auto pids = remember(20);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    CHECK(told(memoird, "memoir.breaker.opened", "endpoint", "qdrant"));
    CHECK(values(memoird, "memoir.breaker.opened", "failure_type") == std::set<std::string>{"outage"});
    // Its breaker stands open: the kind that needs it is not even claimed.
    CHECK(events(memoird, "memoir.worker.job_started").empty());
    CHECK(schema.number("select count(*) from $schema.memory_jobs where state = 'pending'") == 20);
    qdrant.start();
    CHECK(all_indexed());
    CHECK(attempts() == 0);
    CHECK(all_found(pids));
    CHECK(told(memoird, "memoir.breaker.closed", "endpoint", "qdrant"));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "Qdrant goes away with jobs in hand: they wait, and are done when it is back") {
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    std::atomic<bool> once = true;
    embedder.before([&](const HttpRequest& request) {
        if (request.body.find("text ") != std::string::npos && once.exchange(false)) qdrant.stop();
        return HttpReply{};
    });
    const auto pids = remember(8);
    CHECK(told(memoird, "memoir.worker.job_parked", "failure_type", "outage"));
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == 8);
    qdrant.start();
    CHECK(all_indexed());
    CHECK(attempts() == 0);
    CHECK(all_found(pids));
    CHECK(events(memoird, "memoir.worker.job_failed").empty());
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "a Qdrant that breaks for everything costs time and no attempt") {
    const auto broken =
        GENERATE(Break{{.kind = "status", .status = 500}, "outage"},
                 Break{{.kind = "status", .status = 503}, "outage"},
                 Break{{.kind = "status", .status = 507}, "outage"}, Break{{.kind = "garbage"}, "outage"},
                 Break{{.kind = "cut"}, "outage"}, Break{{.kind = "reset"}, "outage"},
                 Break{{.kind = "close"}, "outage"}, Break{{.kind = "lost"}, "outage"},
                 Break{{.kind = "hang"}, "outage"}, Break{{.kind = "stall"}, "outage"},
                 Break{{.kind = "wait_timeout", .path = "/points"}, "outage"},
                 Break{{.kind = "acknowledged", .path = "/points"}, "outage"},
                 Break{{.kind = "status", .status = 429, .headers = {{"Retry-After", "2"}}}, "throttled"},
                 Break{{.kind = "status", .status = 503, .headers = {{"Retry-After", "2"}}}, "throttled"});
    CAPTURE(broken.fault.kind, broken.fault.status);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    qdrant.fault(broken.fault);
    const auto pids = remember(4);
    REQUIRE(told(memoird, "memoir.worker.job_parked", "endpoint", "qdrant"));
    CHECK(values(memoird, "memoir.worker.job_parked", "failure_type") == std::set{broken.type});
    CHECK(values(memoird, "memoir.breaker.opened", "failure_type") == std::set{broken.type});
    if (broken.type == "throttled") {
        // Until the time that the server named, and not before it.
        const auto opened = events(memoird, "memoir.breaker.opened").at(0);
        CHECK(opened.at("next_probe_ms").get<int>() > 1'500);
        CHECK(opened.at("next_probe_ms").get<int>() <= 2'000);
    }
    qdrant.heal();
    CHECK(all_indexed());
    CHECK(attempts() == 0);
    CHECK(all_found(pids));
    CHECK(events(memoird, "memoir.worker.job_failed").empty());
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "what a human has to put right blocks, with a HINT that names the setting") {
    const auto fault = GENERATE(QdrantDouble::Fault{.kind = "status", .status = 401},
                                QdrantDouble::Fault{.kind = "status", .status = 403},
                                QdrantDouble::Fault{.kind = "no_http"});
    CAPTURE(fault.kind, fault.status);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    qdrant.fault(fault);
    remember(2);
    REQUIRE(told(memoird, "memoir.worker.job_parked", "failure_type", "blocked"));
    const auto opened = events(memoird, "memoir.breaker.opened");
    REQUIRE(opened.size() == 1);
    CHECK(text_of(opened.front(), "failure_type") == "blocked");
    CHECK(text_of(opened.front(), "hint").find("vector.url") != std::string::npos);
    CHECK(text_of(opened.front(), "level") == "error");
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
    // Parked or never claimed, but held by none: no process is needed to bring them back.
    CHECK(schema.number("select count(*) from $schema.memory_jobs where claimed_by = 'parked' or state = "
                        "'pending'") == 2);
}

TEST_CASE_METHOD(Fixture,
                 "a Qdrant that breaks for one memory only: its job is charged, the others indexed") {
    const auto kind = GENERATE("status", "garbage", "cut", "reset", "lost", "hang", "stall", "wait_timeout");
    CAPTURE(kind);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    const auto culprit = schema.memory("the culprit");
    qdrant.fault({.kind = kind, .body = culprit});
    auto pids = remember(3);
    schema.job(culprit, "embed");
    pids.push_back(culprit);
    check_one_failed(memoird, pids, culprit, "job", 2);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "what Qdrant refuses for one memory is permanent: failed at once") {
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    const auto culprit = schema.memory("the culprit");
    qdrant.fault({.kind = "status", .body = culprit, .status = 400});
    auto pids = remember(3);
    schema.job(culprit, "embed");
    pids.push_back(culprit);
    check_one_failed(memoird, pids, culprit, "permanent", 1);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "an embedding server that breaks for everything costs time and no attempt") {
    const auto [name, reply, type] = GENERATE(table<std::string, HttpReply, std::string>(
        {{"500", HttpReply{.status = 500}, "outage"},
         {"hang", HttpReply{.fault = HttpReply::Fault::hang}, "outage"},
         {"cut", HttpReply{.body = "{\"embeddings\": [[1, 2, 3, 4]]}", .fault = HttpReply::Fault::cut},
          "outage"},
         {"garbage", HttpReply{.fault = HttpReply::Fault::reset}, "outage"},
         {"401", HttpReply{.status = 401}, "blocked"},
         {"429", HttpReply{.status = 429, .headers = {{"Retry-After", "1"}}}, "throttled"}}));
    CAPTURE(name);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    embedder.before([answer = reply](const HttpRequest&) { return answer; });
    const auto pids = remember(4);
    REQUIRE(told(memoird, "memoir.worker.job_parked", "endpoint", "embedding"));
    CHECK(values(memoird, "memoir.worker.job_parked", "failure_type") == std::set<std::string>{type});
    CHECK(values(memoird, "memoir.breaker.opened", "endpoint") == std::set<std::string>{"embedding"});
    CHECK(values(memoird, "memoir.breaker.opened", "failure_type") == std::set<std::string>{type});
    embedder.before({});
    if (type != "blocked") {
        CHECK(all_indexed());
        CHECK(all_found(pids));
    }
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "an embedding server that is away, then back: no attempt is counted") {
    embedder.server().stop();
    const auto pids = remember(8);
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    CHECK(told(memoird, "memoir.breaker.opened", "endpoint", "embedding"));
    CHECK(events(memoird, "memoir.worker.job_started").empty());
    embedder.server().start();
    CHECK(all_indexed());
    CHECK(attempts() == 0);
    CHECK(all_found(pids));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "an embedding server that breaks for one text only: its job is charged") {
    const bool hangs = GENERATE(false, true);
    CAPTURE(hangs);
    embedder.before([hangs](const HttpRequest& request) {
        if (request.body.find("culprit") == std::string::npos) return HttpReply{};
        return hangs ? HttpReply{.fault = HttpReply::Fault::hang} : HttpReply{.status = 500};
    });
    Memoird memoird(schema, embedder, options());
    REQUIRE(memoird.ready());
    const auto culprit = schema.memory("the culprit");
    auto pids = remember(3);
    schema.job(culprit, "embed");
    pids.push_back(culprit);
    check_one_failed(memoird, pids, culprit, "job", 2);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "an embedding server that hangs at the start is an open breaker, not a failed start") {
    embedder.before([](const HttpRequest&) { return HttpReply{.fault = HttpReply::Fault::hang}; });
    Memoird memoird(schema, embedder, options({{"embedding.timeout", "\"30s\""}}));
    REQUIRE(memoird.ready(std::chrono::seconds(25)));
    CHECK(told(memoird, "memoir.breaker.opened", "endpoint", "embedding"));
    CHECK(values(memoird, "memoir.breaker.opened", "failure_type") == std::set<std::string>{"outage"});
    remember(2);
    embedder.before({});
    CHECK(all_indexed());
    CHECK(attempts() == 0);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "a holder that was stopped while its index write was under way: no vector of a forgotten "
                 "memory stays") {
    // The write is applied, and its answer comes late or never.
    const auto kind = GENERATE("slow", "stall");
    CAPTURE(kind);
    Memoird memoird(schema, embedder,
                    options(quick() + std::map<std::string, std::string>{{"vector.timeout", "\"2s\""}}));
    REQUIRE(memoird.ready());
    qdrant.fault({.kind = kind, .path = "PUT .*/points$", .times = 1, .seconds = 0.5});
    const auto probes = qdrant.requests("PUT /collections/memoir_memories/points");
    const auto pids = remember(1);
    REQUIRE(eventually([&] { return qdrant.requests("PUT /collections/memoir_memories/points") > probes; }));
    memoird.process().signal(SIGSTOP);
    REQUIRE(eventually([&] { return qdrant.points().size() == 1; }));
    schema.sql("delete from $schema.memories");
    memoird.process().signal(SIGCONT);
    INFO(memoird.log());
    CHECK(eventually([&] { return qdrant.points().empty(); }));
    CHECK(memoird.stop() == 0);
    CHECK(qdrant.points().empty());
    CHECK(jobs() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "a claim that is lost while its index write fails: the memory is indexed once more") {
    Memoird memoird(schema, embedder, options({{"vector.timeout", "\"3s\""}}));
    REQUIRE(memoird.ready());
    qdrant.fault({.kind = "stall", .path = "PUT .*/points$", .times = 1});
    const auto pids = remember(1);
    REQUIRE(eventually([&] { return qdrant.points().size() == 1; }));
    // Somebody else took it and finished it; what we wrote meanwhile may be older than what the memory says.
    schema.sql("delete from $schema.memory_jobs");
    schema.sql("update $schema.memories set content = 'edited', qdrant_status = 'indexed'");
    REQUIRE(eventually([&] { return embedder.texts() >= 3 && jobs() == 0; }));
    auto vector = double_vector("edited");
    double norm = 0;
    for (const double value : vector) norm += value * value;
    CHECK(eventually([&] {
        const auto points = qdrant.points();
        return points.size() == 1 &&
               std::abs(points[0]["vector"][0].get<double>() - vector[0] / std::sqrt(norm)) < 1e-4;
    }));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "a memory that is retired or forgotten between embedding and settle gets no point") {
    const std::string change =
        GENERATE("update $schema.memories set retirement_reason = 'stale'", "delete from $schema.memories");
    CAPTURE(change);
    Memoird memoird(schema, embedder, options({{"vector.timeout", "\"10s\""}}));
    REQUIRE(memoird.ready());
    const auto removals = [&] { return qdrant.requests("POST /collections/memoir_memories/points/delete"); };
    const auto before = removals();
    // Written, and on the way to the settle.
    qdrant.fault({.kind = "slow", .path = "POST .*/points/delete", .times = 1, .seconds = 1});
    const auto pids = remember(1);
    REQUIRE(eventually([&] { return removals() > before && qdrant.points().size() == 1; }));
    schema.sql(change);
    CHECK(eventually([&] { return jobs() == 0 && qdrant.points().empty(); }));
    CHECK(attempts() == 0);
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 0);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "a memory that is edited between embedding and settle gets the new text's vector") {
    Memoird memoird(schema, embedder, options({{"vector.timeout", "\"10s\""}}));
    REQUIRE(memoird.ready());
    qdrant.fault({.kind = "slow", .path = "POST .*/points/delete", .times = 1, .seconds = 1});
    const auto pids = remember(1);
    REQUIRE(eventually([&] { return qdrant.points().size() == 1; }));
    schema.sql("update $schema.memories set content = 'edited', category = 'identity', confidence = 7");
    CHECK(all_indexed());
    const auto point = qdrant.points().at(0);
    CHECK(point["payload"]["category"] == "identity");
    CHECK(point["payload"]["confidence"] == 7);
    const auto vector = double_vector("edited");
    double norm = 0;
    for (const double value : vector) norm += value * value;
    for (std::size_t axis = 0; axis < vector.size(); ++axis)
        CHECK(point["vector"][axis].get<double>() == Approx(vector[axis] / std::sqrt(norm)).margin(1e-4));
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "an index of another dimension stops the start with both numbers and a HINT") {
    qdrant.request("PUT", "/collections/memoir_memories",
                   {{"vectors", {{"size", 384}, {"distance", "Cosine"}}}});
    Memoird memoird(schema, embedder, options());
    CHECK(memoird.process().wait() == 78);
    const auto aborted = events(memoird, "memoir.worker.aborted");
    REQUIRE(aborted.size() == 1);
    CHECK(text_of(aborted.front(), "message").find("384") != std::string::npos);
    CHECK(text_of(aborted.front(), "message").find(" 4") != std::string::npos);
    CHECK(text_of(aborted.front(), "hint").find("embedding.dimension") != std::string::npos);
    CHECK(events(memoird, "memoir.worker.started").empty());
}

TEST_CASE_METHOD(Fixture, "the gRPC port given by mistake stops the start and is named") {
    qdrant.fault({.kind = "no_http"});
    Memoird memoird(schema, embedder, options());
    CHECK(memoird.process().wait() == 78);
    const auto aborted = events(memoird, "memoir.worker.aborted");
    REQUIRE(aborted.size() == 1);
    CHECK(text_of(aborted.front(), "message").find("gRPC") != std::string::npos);
    CHECK(text_of(aborted.front(), "hint").find("6334 is Qdrant's gRPC port") != std::string::npos);
}
