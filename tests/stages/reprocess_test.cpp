// reprocess on a real queue: corrections that are interrupted, repeated, and in each other's way.
#include "stages/reprocess.hpp"

#include <catch2/catch.hpp>

#include "stages/rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Gate;
using memoir::test::json;
using memoir::test::Rig;

namespace {

const std::string rejected = R"({"reason":"rejected","feedback":" SECRET: it was tea "})";

// A source with one fact, and a neighbour with another.
struct Corrections : Rig {
    Corrections() : Rig([](const json&) { return facts({"SECRET corrected"}); }) {
        source = schema.memory("SECRET source");
        near = schema.memory("SECRET near");
        indexed(near);
        old_fact = fact(source, "SECRET wrong");
        old_near = fact(near, "SECRET wrong too");
        index.hits = {{near, 0.9}};
    }
    ~Corrections() { stop(); }
    std::string retired(const std::string& of) {
        return schema.value(
            "select coalesce(string_agg(pid || '/' || retirement_reason, ','), '') from $schema.memories "
            "where source_pid = $1 and retirement_reason is not null",
            pg::Params().add(of));
    }
    std::int64_t derived(const std::string& of) {
        return schema.number("select count(*) from $schema.memories where source_pid = $1",
                             pg::Params().add(of));
    }
    void check_corrected() {
        CHECK(active(source) == "SECRET corrected");
        CHECK(active(near) == "SECRET corrected");
        CHECK(retired(source) == old_fact + "/rejected");
        CHECK(retired(near) == old_near + "/rejected");
        CHECK(index.removed() == std::set{old_fact, old_near});
        CHECK(derived(source) == 2);
        CHECK(derived(near) == 2);
        CHECK(feedbacks() == 1);
        CHECK(kept() == 0);
        CHECK(said_nothing());
    }
    std::string source, near, old_fact, old_near;
};

}  // namespace

TEST_CASE("a correction replaces the facts of the source and of what is near it") {
    std::mutex mutex;
    std::vector<std::string> asked;
    Corrections rig;
    rig.says = [&](const json& request) {
        std::lock_guard lock(mutex);
        asked.push_back(request.dump());
        return Rig::facts({"SECRET corrected"});
    };
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    rig.check_corrected();
    CHECK(rig.index.asked.kind == "episodic");
    CHECK(rig.index.asked.score_above == 0.5);
    CHECK(rig.index.asked.agent_id == "a");
    std::lock_guard lock(mutex);
    REQUIRE(asked.size() == 2);
    for (const auto& request : asked) CHECK(request.find("it was tea") != std::string::npos);
    // The feedback, as it was given, with its embed job and no other.
    CHECK(rig.schema.value("select content || '/' || kind || '/' || confidence from $schema.memories where "
                           "metadata = '{\"origin\":\"feedback\"}' and event_at is null") ==
          " SECRET: it was tea /episodic/100");
    CHECK(rig.schema.number("select count(*) from $schema.memory_jobs where payload = "
                            "'{\"origin\":\"feedback\"}' and kind = 'embed'") == 1);
    CHECK(rig.jobs("extract") + rig.jobs("relational_extract") + rig.jobs("synthesize") == 0);
    CHECK(rig.log.count("memoir.retire.success") == 2);
}

TEST_CASE("without feedback the source's own content finds the neighbours") {
    Corrections rig;
    const auto job = rig.schema.job(rig.source, "reprocess", R"({"reason":"stale"})");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.feedbacks() == 0);
    CHECK(rig.active(rig.source) == "SECRET corrected");
    CHECK(rig.retired(rig.source) == rig.old_fact + "/stale");
}

TEST_CASE("only indexed, active memories are neighbours; the source is one whatever its status") {
    Corrections rig;
    const auto pending = rig.schema.memory("pending");
    const auto gone = rig.schema.memory("retired");
    rig.indexed(gone);
    rig.schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
                   pg::Params().add(gone));
    rig.index.hits = {{pending, 0.9}, {gone, 0.8}, {"forgotten", 0.8}, {rig.near, 0.7}};
    SECTION("within top_k") {
        const auto job = rig.schema.job(rig.source, "reprocess", R"({"reason":"stale"})");
        rig.start();
        REQUIRE(rig.gone(job));
        CHECK(rig.paid == 2);
        CHECK(rig.derived(pending) + rig.derived(gone) == 0);
    }
    SECTION("top_k counts what the index finds") {
        const auto job = rig.schema.job(rig.source, "reprocess", R"({"reason":"stale","top_k":3})");
        rig.start();
        REQUIRE(rig.gone(job));
        CHECK(rig.paid == 1);
    }
    SECTION("top_k 0 is the source alone, and asks no index") {
        rig.index.on_search = [] { throw Failure(FailureType::permanent, "asked"); };
        const auto job = rig.schema.job(rig.source, "reprocess", R"({"reason":"stale","top_k":0})");
        rig.start();
        REQUIRE(rig.gone(job));
        CHECK(rig.paid == 1);
        CHECK(rig.active(rig.source) == "SECRET corrected");
    }
}

TEST_CASE("what lacks its agent is corrected across them, and each member keeps its own scope") {
    Corrections rig;
    rig.schema.sql("update $schema.memories set agent_id = '__MEMOIR_NO_AGENT__' where pid in ($1, $2)",
                   pg::Params().add(rig.source).add(rig.old_fact));
    const auto other = rig.schema.memory("SECRET of another organisation");
    rig.schema.sql("update $schema.memories set org_id = 'p' where pid = $1", pg::Params().add(other));
    rig.indexed(other);
    rig.index.hits = {{other, 0.95}, {rig.near, 0.9}};
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK_FALSE(rig.index.asked.agent_id);
    CHECK(rig.index.asked.org_id == "o");
    CHECK(rig.index.asked.user_id == "u");
    rig.check_corrected();
    // An index may say what it likes: the row tells whose a memory is.
    CHECK(rig.derived(other) == 0);
    const auto agent_of_facts = [&](const std::string& pid) {
        return rig.schema.value(
            "select string_agg(distinct agent_id, ',') from $schema.memories where source_pid = $1",
            pg::Params().add(pid));
    };
    CHECK(agent_of_facts(rig.source) == "__MEMOIR_NO_AGENT__");
    CHECK(agent_of_facts(rig.near) == "a");
    CHECK(rig.schema.value("select agent_id from $schema.memories where metadata->>'origin' = 'feedback'") ==
          "__MEMOIR_NO_AGENT__");
}

TEST_CASE("the feedback's own memory is no neighbour and takes no neighbour's place") {
    Corrections rig;
    rig.index.on_search = [&] {
        auto connection = rig.schema.connect();
        const auto pid = connection->exec("update \"" + rig.schema.name() +
                                          "\".memories set qdrant_status = 'indexed' where "
                                          "metadata->>'origin' = 'feedback' returning pid");
        rig.index.hits = {{pid.string(0, 0), 1.0}, {rig.near, 0.9}};
    };
    const auto job =
        rig.schema.job(rig.source, "reprocess", R"({"reason":"rejected","feedback":"SECRET no","top_k":1})");
    rig.start();
    REQUIRE(rig.gone(job));
    rig.check_corrected();
}

TEST_CASE("a neighbour that the model will never take keeps its facts and holds up nobody behind it") {
    Corrections rig;
    rig.says = [&](const json& request) {
        return request.dump().find("SECRET near") == std::string::npos ? Rig::facts({"SECRET corrected"})
                                                                       : test::HttpReply{413};
    };
    const auto behind = rig.schema.memory("SECRET behind");
    rig.indexed(behind);
    rig.index.hits = {{rig.near, 0.9}, {behind, 0.8}};
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.active(rig.source) == "SECRET corrected");
    CHECK(rig.active(rig.near) == "SECRET wrong too");
    CHECK(rig.active(behind) == "SECRET corrected");
    CHECK(rig.log.count("memoir.reprocess.retire_failed") == 1);
    CHECK(rig.kept() == 0);
    CHECK(rig.said_nothing());
}

TEST_CASE("the source itself, where the model will never take it, fails the correction") {
    Corrections rig;
    rig.says = [](const json&) { return test::HttpReply{413}; };
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.ended(job));
    CHECK(rig.state(job) == "failed/1/too long for the model's context");
    CHECK(rig.active(rig.source) == "SECRET wrong");
    CHECK(rig.feedbacks() == 1);
}

TEST_CASE("a number that no double holds is a number like any other that means nothing") {
    Corrections rig;
    const auto job = rig.schema.job(rig.source, "reprocess",
                                    R"({"reason":"rejected","feedback":"SECRET","min_similarity":1e400})");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.index.asked.score_above == 0.5);
    CHECK(rig.feedbacks() == 1);
}

TEST_CASE("a bad payload fails at once and changes nothing") {
    Corrections rig;
    const auto job = rig.schema.job(rig.source, "reprocess", R"({"reason":"SECRET","feedback":"SECRET"})");
    rig.start();
    REQUIRE(rig.ended(job));
    CHECK(rig.state(job) == "failed/1/bad payload: the reason is neither rejected nor stale");
    CHECK(rig.feedbacks() == 0);
    CHECK(rig.paid == 0);
    CHECK(rig.said_nothing());
}

TEST_CASE("without a model the feedback is stored and nothing is retired") {
    Corrections rig;
    rig.llm = false;
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.feedbacks() == 1);
    CHECK(rig.active(rig.source) == "SECRET wrong");
}

TEST_CASE("without a model a correction that another host has begun is left to that one") {
    Corrections rig;
    rig.llm = false;
    const auto job = rig.schema.job(
        rig.source, "reprocess",
        R"({"reason":"rejected","feedback":"SECRET","memoird":{"feedback_pid":"f","members":["x"]}})");
    rig.start();
    CHECK(eventually([&] {
        return rig.state(job) ==
               "claimed/0/the rest of the correction needs a model and an index that this host lacks";
    }));
    CHECK(rig.feedbacks() == 0);
}

TEST_CASE("a job that dies at any step goes on where it was") {
    // The n-th call at a place throws what the stage does not expect, and the loop lets go of the job.
    struct Step {
        std::string place;
        int call;
    };
    const auto step = GENERATE(values<Step>({{"embed", 1}, {"search", 1}, {"remove", 1}, {"remove", 2}}));
    CAPTURE(step.place, step.call);
    std::atomic<int> calls{0};
    Corrections rig;
    const auto die = [&] {
        if (++calls == step.call) throw std::runtime_error("killed");
    };
    (step.place == "embed"    ? rig.embedder.on_embed
     : step.place == "search" ? rig.index.on_search
                              : rig.index.on_remove) = die;
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.ended(job));
    CHECK(calls > step.call);
    // A defect counts an attempt, and no more is lost.
    CHECK(rig.state(job) == "gone");
    rig.check_corrected();
    CHECK(rig.paid == 2);
}

TEST_CASE("a retry repeats neither the feedback nor a member that is done") {
    std::atomic<int> calls{0};
    Corrections rig;
    rig.says = [&](const json&) {
        return ++calls == 2 ? Rig::reply("SECRET nonsense") : Rig::facts({"SECRET corrected"});
    };
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.paid == 3);
    rig.check_corrected();
}

TEST_CASE("an eviction that fails is repeated, and nothing else is") {
    std::atomic<int> left{2};
    Corrections rig;
    rig.index.on_remove = [&] {
        if (left-- > 0) throw Failure(FailureType::job, "away");
    };
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.paid == 2);
    CHECK(rig.log.count("memoir.retire.index_delete_failed") == 2);
    rig.check_corrected();
}

TEST_CASE("points are removed although the source was retired before the eviction succeeded") {
    std::atomic<bool> once{true};
    Corrections rig;
    rig.index.on_remove = [&] {
        if (!once.exchange(false)) return;
        auto connection = rig.schema.connect();
        connection->exec("update \"" + rig.schema.name() +
                         "\".memories set retirement_reason = 'stale' where kind = 'episodic'");
        throw Failure(FailureType::job, "away");
    };
    const auto job = rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.index.removed().count(rig.old_fact) == 1);
    CHECK(rig.derived(rig.near) == 1);
}

TEST_CASE("a claim that is lost while the model thinks retires nothing") {
    Gate gate;
    Corrections rig;
    rig.says = [&](const json&) {
        gate.pass({});
        return Rig::facts({"SECRET corrected"});
    };
    rig.schema.job(rig.source, "reprocess", rejected);
    rig.start();
    REQUIRE(gate.reached());
    rig.schema.sql("update $schema.memory_jobs set claimed_by = 'somebody else' where kind = 'reprocess'");
    gate.open();
    REQUIRE(eventually([&] { return rig.kept() == 1; }));
    rig.stop();
    CHECK(rig.active(rig.source) == "SECRET wrong");
    CHECK(rig.derived(rig.source) == 1);
}

TEST_CASE("two corrections of one source at once leave one set of facts") {
    Gate gate;
    std::atomic<int> calls{0};
    Corrections rig;
    rig.index.hits.clear();
    rig.says = [&](const json&) {
        const int call = ++calls;
        gate.pass({});
        return Rig::facts({"SECRET fact of " + std::to_string(call), "SECRET second"});
    };
    const auto one = rig.schema.job(rig.source, "reprocess", R"({"reason":"stale","feedback":"SECRET 1"})");
    const auto two =
        rig.schema.job(rig.source, "reprocess", R"({"reason":"rejected","feedback":"SECRET 2"})");
    rig.start();
    REQUIRE(gate.reached(2));
    gate.open();
    REQUIRE(rig.gone(one));
    REQUIRE(rig.gone(two));
    CHECK(rig.schema.number("select count(*) from $schema.memories where source_pid = $1 and "
                            "retirement_reason is null",
                            pg::Params().add(rig.source)) == 2);
    CHECK(rig.derived(rig.source) == 5);
    CHECK(rig.index.removed().size() == 3);
    CHECK(rig.feedbacks() == 2);
    CHECK(rig.paid == 2);
}

TEST_CASE("a correction beside an extract leaves one set of facts") {
    const bool empty = GENERATE(false, true);
    CAPTURE(empty);
    Gate extracting;
    Rig rig;
    const auto source = rig.schema.memory("SECRET source");
    rig.says = [&](const json& request) {
        if (request.dump().find("SECRET tea") != std::string::npos)
            return empty ? Rig::facts({}) : Rig::facts({"SECRET corrected"});
        extracting.pass({});
        return Rig::facts({"SECRET extracted"});
    };
    const auto extract = rig.schema.job(source, "extract");
    rig.start();
    REQUIRE(extracting.reached());
    const auto correction =
        rig.schema.job(source, "reprocess", R"({"reason":"rejected","feedback":"SECRET tea","top_k":0})");
    REQUIRE(rig.gone(correction));
    CHECK(rig.active(source) == (empty ? "" : "SECRET corrected"));
    // An empty correction leaves no row that would tell the extract: its job is gone, and the fan-in was run.
    CHECK(rig.jobs("synthesize") == (empty ? 1 : 0));
    extracting.open();
    REQUIRE(rig.gone(extract));
    rig.stop();
    CHECK(rig.active(source) == (empty ? "" : "SECRET corrected"));
    CHECK(rig.jobs("synthesize") == 1);
    // Nor is the reply left that the extract paid for nothing.
    CHECK(rig.kept() == 0);
}

TEST_CASE("an extract that is newer than an empty correction stays") {
    Rig rig([](const json&) { return Rig::facts({}); });
    rig.options.lanes = {{"llm", {"reprocess"}, 1, 1}};
    const auto source = rig.schema.memory("SECRET source");
    const auto correction = rig.schema.job(source, "reprocess", R"({"reason":"stale","top_k":0})");
    const auto extract = rig.schema.job(source, "extract");
    rig.start();
    REQUIRE(rig.gone(correction));
    CHECK(rig.state(extract) == "pending/0/-");
    CHECK(rig.jobs("synthesize") == 0);
}

TEST_CASE("an extract after a correction completes without facts and without paying") {
    Rig rig;
    const auto source = rig.schema.memory("SECRET source");
    const auto extract = rig.schema.job(source, "extract");
    rig.fact(source, "SECRET corrected");
    rig.schema.sql("update $schema.memories set retirement_reason = 'stale' where kind = 'semantic'");
    rig.start();
    REQUIRE(rig.gone(extract));
    CHECK(rig.paid == 0);
    CHECK(rig.active(source).empty());
    CHECK(rig.jobs("synthesize") == 1);
    CHECK(rig.log.named("memoir.extraction.skipped").at(0).field("reason") ==
          "a correction has replaced its facts already");
}
