// memoirctl on the graph and between the stores: the real program, PostgreSQL and FalkorDB.
#include "graph/graph.hpp"

#include <catch2/catch.hpp>

#include "ctl/ctl_rig.hpp"
#include "support/falkordb.hpp"
#include "support/qdrant_double.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using nlohmann::json;
using Ctl = test::CtlRig;

namespace {

const std::vector<std::string> scope{"--agent", "a", "--org", "o", "--user", "u"};

std::vector<std::string> with_scope(std::vector<std::string> words) {
    words.insert(words.end(), scope.begin(), scope.end());
    return words;
}

}  // namespace

TEST_CASE("graph show tells entities and edges, current and closed, as tables, JSON and DOT") {
    if (!test::FalkorDb::available()) return;
    test::FalkorDb server;
    test::RecordingLog log;
    graph::Client client(server.options(), log);
    graph::Addition addition{
        "p1", "2026-01-01T00:00:00+00:00", {{"An\"n", {1}}, {"ACME", {1}}, {"Bolt", {1}}}, {}, {}};
    const auto said = [](const std::string& at, const std::string& object) {
        return graph::Statement{at, object, "p1", 0.5, "works at"};
    };
    graph::Line line{"An\"n", "WORKS_AT",
                     graph::timeline({said("2026-01-01T00:00:00+00:00", "ACME"),
                                      said("2026-02-01T00:00:00+00:00", "Bolt")})};
    addition.lines.push_back({{"An\"n", "WORKS_AT", {}}, line});
    graph::Graph(client).write({"a", "o", "u"}, addition, {});
    Ctl ctl;
    ctl.settings.push_back("graph.url=" + server.url());
    const auto shown = ctl.answer(with_scope({"graph", "show"}));
    REQUIRE(shown["entities"].size() == 3);
    REQUIRE(shown["edges"].size() == 2);
    CHECK(shown["edges"][0]["object"] == "ACME");
    CHECK(shown["edges"][0]["valid_to"] == "2026-02-01T00:00:00+00:00");
    CHECK(shown["edges"][1]["valid_to"].is_null());
    const auto table = ctl.run(with_scope({"graph", "show"})).output;
    CHECK(table.find("current") != std::string::npos);
    const auto drawing = ctl.run(with_scope({"graph", "show", "--dot"})).output;
    CHECK(drawing.starts_with("digraph memoir {"));
    CHECK(drawing.find(R"("An\"n" -> "ACME")") != std::string::npos);
    CHECK(ctl.run({"graph", "show"}).code == 64);
}

TEST_CASE("graph commands without a graph say what is missing; a graph that is away is unavailable") {
    Ctl ctl;
    const auto without = ctl.run(with_scope({"graph", "show"}));
    CHECK(without.code == 78);
    CHECK(without.errors.find("[graph]") != std::string::npos);
    ctl.settings.push_back("graph.url=redis://127.0.0.1:1");
    CHECK(ctl.run(with_scope({"graph", "show"})).code == 69);
}

TEST_CASE("reconcile enqueues what has no vector and no job, once") {
    Ctl ctl;
    const auto lost = ctl.schema.memory("a"), waiting = ctl.schema.memory("b"),
               failed = ctl.schema.memory("c"), retired = ctl.schema.memory("d");
    ctl.schema.job(waiting, "embed");
    ctl.schema.sql("update $schema.memories set qdrant_status = 'failed' where pid = $1",
                   pg::Params().add(failed));
    ctl.schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
                   pg::Params().add(retired));
    CHECK(ctl.answer({"reconcile", "--dry-run"})["embed_jobs"] == 1);
    CHECK(ctl.jobs("embed") == 1);
    CHECK(ctl.answer({"reconcile"})["embed_jobs"] == 1);
    CHECK(ctl.answer({"reconcile"})["embed_jobs"] == 0);
    CHECK(ctl.answer({"reconcile", "--failed"})["embed_jobs"] == 1);
    CHECK(ctl.jobs("embed") == 3);
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs where source_pid = $1",
                            pg::Params().add(lost)) == 1);
}

TEST_CASE("reconcile --failed leaves no failed job beside the new one, and other kinds' alone") {
    Ctl ctl;
    const auto pid = ctl.schema.memory("a");
    ctl.schema.job(pid, "embed");
    ctl.schema.job(pid, "extract");
    ctl.schema.sql("update $schema.memory_jobs set state = 'failed'");
    ctl.schema.sql("update $schema.memories set qdrant_status = 'failed'");
    CHECK(ctl.answer({"reconcile", "--failed", "--dry-run"})["embed_jobs"] == 1);
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 2);
    CHECK(ctl.answer({"reconcile", "--failed"})["embed_jobs"] == 1);
    CHECK(ctl.schema.value("select string_agg(kind || ' ' || state, ', ' order by kind) from "
                           "$schema.memory_jobs") == "embed pending, extract failed");
}

TEST_CASE("reconcile removes vectors whose memory is retired, and a dry run only counts them") {
    Ctl ctl;
    const auto kept = ctl.schema.memory("a"), retired = ctl.schema.memory("b");
    ctl.schema.sql(
        "insert into $schema.memoird_vectors (pid, model, vector) select pid, 'm', '{1}' from "
        "$schema.memories");
    ctl.schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
                   pg::Params().add(retired));
    CHECK(ctl.answer({"reconcile", "--orphans", "--dry-run"})["orphans"] == 1);
    CHECK(ctl.answer({"reconcile", "--orphans"})["orphans"] == 1);
    CHECK(ctl.schema.value("select string_agg(pid, ' ') from $schema.memoird_vectors") == kept);
}

TEST_CASE("reconcile removes Qdrant's points whose memory is gone or retired, under whatever id they are") {
    auto& qdrant = test::QdrantDouble::shared();
    Ctl ctl;
    ctl.settings = {"vector.backend=qdrant", "vector.url=" + qdrant.url(), "embedding.dimension=4"};
    const auto kept = ctl.schema.memory("a"), retired = ctl.schema.memory("b");
    ctl.schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
                   pg::Params().add(retired));
    qdrant.request("PUT", "/collections/memoir_memories",
                   {{"vectors", {{"size", 4}, {"distance", "Cosine"}}}});
    auto points = json::array();
    for (const auto& pid : {kept, retired, std::string("forgotten"), std::string("forgotten")})
        points.push_back({{"id", points.size() + 1}, {"vector", {1, 0, 0, 0}}, {"payload", {{"pid", pid}}}});
    qdrant.request("PUT", "/collections/memoir_memories/points?wait=true", {{"points", points}});
    CHECK(ctl.answer({"reconcile", "--orphans", "--dry-run"})["orphans"] == 2);
    CHECK(qdrant.points().size() == 4);
    CHECK(ctl.answer({"reconcile", "--orphans"})["orphans"] == 2);
    REQUIRE(qdrant.points().size() == 1);
    CHECK(qdrant.points()[0]["payload"]["pid"] == kept);
    CHECK(ctl.answer({"reconcile", "--orphans"})["orphans"] == 0);
}

TEST_CASE("reconcile --rebuild-graph without a relational model says so and does nothing") {
    Ctl ctl;
    ctl.schema.memory("a");
    for (const bool dry : {true, false}) {
        auto words = with_scope({"reconcile", "--rebuild-graph", "--failed"});
        if (dry) words.emplace_back("--dry-run");
        const auto finished = ctl.run(words);
        CHECK(finished.code == 78);
        CHECK(finished.errors.find("no relational model is configured") != std::string::npos);
        CHECK(finished.errors.find("[relational]") != std::string::npos);
    }
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs") == 0);
}

TEST_CASE("reconcile --rebuild-graph enqueues the scope's memories, newest first") {
    Ctl ctl;
    ctl.settings.emplace_back("relational.model=some");
    const auto old = ctl.schema.memory("a"), fresh = ctl.schema.memory("b");
    ctl.schema.sql("update $schema.memories set created_at = now() - interval '1 day' where pid = $1",
                   pg::Params().add(old));
    CHECK(ctl.run({"reconcile", "--rebuild-graph"}).code == 64);
    CHECK(ctl.answer(with_scope({"reconcile", "--rebuild-graph", "--dry-run"}))["relational_extract_jobs"] ==
          2);
    CHECK(ctl.answer(with_scope({"reconcile", "--rebuild-graph"}))["relational_extract_jobs"] == 2);
    CHECK(ctl.schema.value(
              "select string_agg(source_pid, ' ' order by created_at) from $schema.memory_jobs where "
              "payload = '{\"origin\": \"reconcile\"}'") == fresh + " " + old);
}

TEST_CASE(
    "reconcile --rebuild-graph retries failed jobs of the graph, and says what a failed extract blocks") {
    Ctl ctl;
    ctl.settings.emplace_back("relational.model=some");
    const auto failed = [&](const std::string& kind) {
        const auto pid = ctl.schema.memory("a");
        ctl.schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind, state, attempts, failure_reason) values ($1, "
            "$2, 'failed', 3, 'x')",
            pg::Params().add(pid).add(kind));
    };
    failed("relational_extract");
    failed("synthesize");
    failed("extract");
    failed("embed");
    for (const bool dry : {true, false}) {
        auto words = with_scope({"reconcile", "--rebuild-graph"});
        if (dry) words.emplace_back("--dry-run");
        const auto told = ctl.answer(words);
        CHECK(told["relational_extract_jobs"] == 3);
        CHECK(told["retried_jobs"] == 2);
        CHECK(told["blocked_sources"] == 1);
    }
    CHECK(ctl.jobs("relational_extract") == 4);
    CHECK(
        ctl.schema.value("select string_agg(kind, ' ' order by kind) from $schema.memory_jobs where state = "
                         "'failed'") == "embed extract");
    const auto again = ctl.run(with_scope({"reconcile", "--rebuild-graph"}));
    CHECK(again.output.find("relational_extract jobs enqueued: 0") != std::string::npos);
    CHECK(again.output.find("HINT: memoirctl jobs list --state failed --kind extract") != std::string::npos);
}

TEST_CASE("stats extraction counts facts by model, and the share that was rejected") {
    Ctl ctl;
    for (int number = 0; number < 4; ++number) ctl.schema.memory("x", "semantic");
    ctl.schema.sql(
        "update $schema.memories set metadata = "
        "'{\"origin\":\"extraction\",\"provider\":\"ollama\",\"model\":\"m\"}'");
    ctl.schema.sql(
        "update $schema.memories set retirement_reason = 'rejected' where pid = (select min(pid) from "
        "$schema.memories)");
    const auto stats = ctl.answer({"stats", "extraction", "--agent", "a"});
    REQUIRE(stats["models"].size() == 1);
    CHECK(stats["models"][0]["facts"] == 4);
    CHECK(stats["models"][0]["rejected_share"] == 0.25);
    CHECK(ctl.answer({"stats", "extraction", "--agent", "b"})["models"].empty());
    CHECK(ctl.answer({"stats", "extraction", "--agent", ""})["models"].empty());
    CHECK(ctl.answer({"stats", "extraction", "--org", "o", "--user", "u"})["models"][0]["facts"] == 4);
}
