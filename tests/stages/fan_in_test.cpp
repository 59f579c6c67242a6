// The fan-in through the stages and the engine: whatever happens to one sibling on its way, the source gets
// one synthesize when the last one is done, and none before. (Nobody serves synthesize here: it stays.)
#include "queue/fan_in.hpp"

#include <catch2/catch.hpp>

#include "queue/edit.hpp"
#include "stages/rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Gate;
using memoir::test::HttpReply;
using memoir::test::json;
using memoir::test::Rig;

namespace {

bool asks_for_triples(const json& request) {
    return request.dump().find("triples") != std::string::npos;
}

HttpReply triples() {
    return Rig::reply(
        R"({"triples":[{"subject":"SECRET Ann","relation":"knows","object":"SECRET Bob","confidence":1}]})");
}

// Both siblings, the model of one of them at the test's command.
struct Siblings {
    explicit Siblings(std::function<HttpReply()> slow) : slow_(std::move(slow)) {
        pid = rig.schema.memory("SECRET said");
        extract = rig.schema.job(pid, "extract");
        relational = rig.schema.job(pid, "relational_extract");
    }
    // The quick one is done, and has enqueued nothing.
    bool one_left() { return rig.gone(extract) && rig.jobs("synthesize") == 0; }
    // And now the other one, too: one, and no more.
    bool one_synthesize() {
        return eventually([&] {
            return rig.jobs("synthesize") == 1 && rig.jobs("extract") + rig.jobs("relational_extract") == 0;
        });
    }
    std::string field(const std::string& column) {
        return rig.schema.value(
            "select coalesce((select " + column + "::text from $schema.memory_jobs where id = $1), '')",
            pg::Params().add(relational));
    }

    std::string pid;
    std::int64_t extract = 0, relational = 0;

  private:
    std::function<HttpReply()> slow_;

  public:
    Rig rig{[this](const json& request) {
        return asks_for_triples(request) ? slow_() : Rig::facts({"SECRET fact"});
    }};
};

}  // namespace

TEST_CASE("a parked sibling holds the fan-in back until it is done") {
    std::atomic<bool> good = false;
    Siblings siblings([&] { return good ? triples() : Rig::reply("no triples"); });
    siblings.rig.options.max_attempts = 1'000;
    siblings.rig.options.retry_base = siblings.rig.options.retry_cap = Milliseconds(300);
    siblings.rig.start();
    REQUIRE(siblings.one_left());
    REQUIRE(eventually([&] { return siblings.field("claimed_by") == "parked"; }));
    CHECK(siblings.rig.jobs("synthesize") == 0);
    good = true;
    CHECK(siblings.one_synthesize());
    CHECK(siblings.rig.said_nothing());
}

TEST_CASE("a sibling that a drain released is done by the next process, and then the fan-in is") {
    Gate gate;
    Siblings siblings([&] {
        gate.pass({});
        return triples();
    });
    siblings.rig.start();
    REQUIRE(siblings.one_left());
    REQUIRE(gate.reached(1));
    siblings.rig.stop();
    CHECK(siblings.field("state || attempts") == "pending0");
    CHECK(siblings.rig.jobs("synthesize") == 0);
    gate.open();
    siblings.rig.start();
    CHECK(siblings.one_synthesize());
}

TEST_CASE("a sibling whose memoird died holds the fan-in back, recovered and failed by the recovery, too") {
    const bool buried = GENERATE(false, true);
    CAPTURE(buried);
    Siblings siblings([] { return triples(); });
    auto& rig = siblings.rig;
    rig.options.lease = Milliseconds(600);
    rig.options.max_attempts = buried ? 1 : 3;
    rig.schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_by = 'memoird/gone:1:nonce/llm.0.1', "
        "claimed_at = clock_timestamp() - interval '1 hour' where id = $1",
        pg::Params().add(siblings.relational));
    rig.start();
    REQUIRE(rig.gone(siblings.extract));
    if (buried) {
        REQUIRE(rig.ended(siblings.relational));
        CHECK(siblings.field("state") == "failed");
        CHECK(rig.jobs("synthesize") == 0);
        auto connection = rig.schema.connect();
        REQUIRE(queue::retry_job(*connection, rig.schema.name(), siblings.relational));
    }
    CHECK(siblings.one_synthesize());
}

TEST_CASE("a failed sibling blocks the fan-in until it is retried or deleted") {
    const bool retried = GENERATE(true, false);
    CAPTURE(retried);
    std::atomic<bool> good = false;
    Siblings siblings([&] { return good ? triples() : HttpReply{400, R"({"error":"SECRET"})"}; });
    auto& rig = siblings.rig;
    rig.options.lease = Milliseconds(600);
    rig.has_graph = true;
    // Triples of an earlier reading: neither the fan-in nor its repair may pass the failed sibling by.
    rig.schema.sql(
        "insert into $schema.graph_triple_staging (source_pid, created_at) values ($1, now() - interval '1 "
        "hour')",
        pg::Params().add(siblings.pid));
    rig.start();
    REQUIRE(siblings.one_left());
    REQUIRE(rig.ended(siblings.relational));
    REQUIRE(siblings.field("state") == "failed");
    CHECK(rig.jobs("synthesize") == 0);
    good = true;
    auto connection = rig.schema.connect();
    if (retried)
        REQUIRE(queue::retry_job(*connection, rig.schema.name(), siblings.relational));
    else
        REQUIRE(queue::delete_job(*connection, rig.schema.name(), siblings.relational, true));
    CHECK(siblings.one_synthesize());
    CHECK(rig.said_nothing());
}
