// The knowledge graph end to end: the real memoird, killed in the middle again and again, and a FalkorDB that
// crashes; the embedder is a double that gives each text a direction of its own.

#include <signal.h>

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "graph/graph.hpp"
#include "support/falkordb.hpp"
#include "support/memoird.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

constexpr int dimension = 512;

// An embedding server: the same text, the same direction, for as long as it lives.
class Directions {
  public:
    Directions() : server_([this](const HttpRequest& request) { return answer(request); }) {}
    std::string url() const { return server_.url(); }

  private:
    HttpReply answer(const HttpRequest& request) {
        std::lock_guard lock(mutex_);
        auto vectors = json::array();
        const auto body = json::parse(request.body);
        for (const auto& text : body["input"].is_array() ? body["input"] : json::array({body["input"]})) {
            const auto at = known_.try_emplace(text, known_.size()).first->second;
            json vector(std::vector<double>(dimension, 0));
            vector[at % dimension] = 1;
            vectors.push_back(std::move(vector));
        }
        return {200, json{{"embeddings", vectors}}.dump()};
    }
    std::mutex mutex_;
    std::map<std::string, std::size_t> known_;
    HttpDouble server_;
};

// `sources` memories, a day apart, that say where Ann works and whom she knows, each with facts that bear it
// out.
void fill_graph(TestSchema& schema, int sources) {
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content, event_at) select 'm' || i, "
        "'a', "
        "'o', 'u', 'x', '2026-01-01'::timestamptz + i * interval '1 day' from generate_series(1, "
        "$1::integer) i",
        pg::Params().add(sources));
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content, kind, source_pid) select 'w' "
        "|| "
        "i, 'a', 'o', 'u', 'Ann works at Firm ' || i / 3 % 5, 'semantic', 'm' || i from generate_series(1, "
        "$1::integer) i union all select 'k' || i, 'a', 'o', 'u', 'Ann knows Friend ' || i % 7, 'semantic', "
        "'m' || i from generate_series(1, $1::integer) i",
        pg::Params().add(sources));
    schema.sql(
        "insert into $schema.graph_triple_staging (source_pid, triples) select 'm' || i, "
        "jsonb_build_object('triples', jsonb_build_array(jsonb_build_object('subject', 'Ann', 'relation', "
        "'works at', 'object', 'Firm ' || i / 3 % 5), jsonb_build_object('subject', 'Ann', 'relation', "
        "'knows', 'object', 'Friend ' || i % 7))) from generate_series(1, $1::integer) i",
        pg::Params().add(sources));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select source_pid, 'synthesize' from "
        "$schema.graph_triple_staging order by random()");
}

std::string drawn(const FalkorDb& server) {
    RecordingLog log;
    graph::Client client(server.options(), log);
    graph::Graph graph(client);
    std::string text;
    for (const auto& entity : graph.shown_entities({"a", "o", "u"}, {}))
        text += entity.name + " " + std::to_string(entity.memory_pids.size()) + "\n";
    for (const auto& edge : graph.shown_edges({"a", "o", "u"}, {}))
        text += edge.subject + " " + edge.type + " " + edge.object + " " + edge.valid_from + " " +
                edge.valid_to.value_or("-") + " " + std::to_string(edge.memory_pids.size()) + "\n";
    return text;
}

Memoird::Options options(const FalkorDb& server, const Directions& directions) {
    return {.settings = {{"graph.url", "\"" + server.url() + "\""},
                         {"graph.timeout", "\"5s\""},
                         {"embedding.url", "\"" + directions.url() + "\""},
                         {"embedding.dimension", std::to_string(dimension)},
                         {"database.statement_timeout", "\"1s\""},
                         {"worker.lease", "\"2100ms\""},
                         {"worker.max_attempts", "1000"},
                         {"worker.retry_base", "\"100ms\""},
                         {"lanes.derive.kinds", "[\"synthesize\"]"},
                         {"lanes.derive.loops", "4"},
                         {"lanes.derive.batch", "2"},
                         {"log.level", "\"info\""}}};
}

constexpr int sources = 60;

// What a run that nobody disturbs leaves.
std::string undisturbed() {
    FalkorDb server;
    TestSchema schema;
    EmbeddingDouble embedder;
    Directions directions;
    fill_graph(schema, sources);
    auto all = options(server, directions);
    all.arguments = {"--until-idle"};
    Memoird memoird(schema, embedder, all);
    REQUIRE(memoird.process().wait() == 0);
    CHECK(schema.number("select count(*) from $schema.graph_triple_staging") == 0);
    return drawn(server);
}

}  // namespace

TEST_CASE("killed again and again, memoird leaves the graph that an undisturbed run leaves") {
    if (!FalkorDb::available()) return;
    const auto expected = undisturbed();
    CHECK(expected.find("Ann WORKS_AT Firm 0 2026-01-02T00:00:00+00:00 2026-01-04T00:00:00+00:00 2\n") !=
          std::string::npos);
    FalkorDb server;
    TestSchema schema;
    EmbeddingDouble embedder;
    Directions directions;
    fill_graph(schema, sources);
    std::minstd_rand random(5);
    const auto left = [&] { return schema.number("select count(*) from $schema.graph_triple_staging"); };
    for (int kill = 0; kill < 8 && left() > 0; ++kill) {
        Memoird memoird(schema, embedder, options(server, directions));
        const auto before = left();
        const auto enough = static_cast<std::int64_t>(1 + random() % 8);
        REQUIRE(eventually([&] { return left() <= std::max<std::int64_t>(0, before - enough); }));
        memoird.process().signal(SIGKILL);
        memoird.process().wait();
    }
    // Not until idle: rows of the dead are nobody's here until they are recovered.
    Memoird last(schema, embedder, options(server, directions));
    CHECK(eventually([&] { return left() == 0; }, std::chrono::minutes(2)));
    CHECK(last.stop() == 0);
    CHECK(drawn(server) == expected);
}

TEST_CASE("a FalkorDB that crashes during a run costs time, no attempt, and nothing of the graph") {
    if (!FalkorDb::available()) return;
    const auto expected = undisturbed();
    FalkorDb server;
    TestSchema schema;
    EmbeddingDouble embedder;
    Directions directions;
    fill_graph(schema, sources);
    const auto left = [&] { return schema.number("select count(*) from $schema.graph_triple_staging"); };
    Memoird memoird(schema, embedder, options(server, directions));
    for (int crash = 0; crash < 2; ++crash) {
        const auto before = left();
        REQUIRE(eventually([&] { return left() < before || before == 0; }));
        server.kill();
        server.start();
    }
    CHECK(eventually([&] { return left() == 0; }, std::chrono::minutes(3)));
    CHECK(schema.number("select coalesce(sum(attempts), 0) from $schema.memory_jobs") == 0);
    CHECK(memoird.stop() == 0);
    CHECK(memoird.events("memoir.worker.job_failed").empty());
    CHECK(drawn(server) == expected);
}
