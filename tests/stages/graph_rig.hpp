#pragma once
// synthesize on a real PostgreSQL, a real FalkorDB and a real engine, with an embedder whose vectors a test
// chooses: a text that it does not know gets a direction of its own, far from all others.

#include <cmath>
#include <map>
#include <mutex>

#include "graph/graph.hpp"
#include "stages/synthesize.hpp"
#include "support/falkordb.hpp"
#include "work/double_stage.hpp"

namespace memoir::test {

class ChosenVectors : public model::Embedder {
  public:
    static constexpr int size = 512;
    std::vector<model::Embedding> embed(std::span<const std::string> texts, std::stop_token) override {
        std::lock_guard lock(mutex_);
        ++calls;
        std::vector<model::Embedding> vectors;
        for (const auto& text : texts) vectors.push_back(vector(text));
        return vectors;
    }
    int dimension() const override { return size; }
    const std::string& model() const override { return name_; }
    // `text` lies at this cosine from `from`.
    void near(const std::string& text, const std::string& from, double cosine) {
        std::lock_guard lock(mutex_);
        auto chosen = vector(from);
        for (auto& number : chosen) number *= static_cast<float>(cosine);
        // The last axis is nobody's own.
        chosen.back() = static_cast<float>(std::sqrt(1 - cosine * cosine));
        chosen_[text] = std::move(chosen);
    }
    std::atomic<int> calls{0};

  private:
    // Each new text takes the next axis; there are enough for a test.
    const model::Embedding& vector(const std::string& text) {
        if (const auto found = chosen_.find(text); found != chosen_.end()) return found->second;
        auto& fresh = own_[text];
        if (fresh.empty()) {
            fresh.assign(size, 0);
            fresh.at(own_.size() - 1) = 1;
        }
        return fresh;
    }
    std::mutex mutex_;
    std::map<std::string, model::Embedding> chosen_, own_;
    const std::string name_ = "double";
};

class GraphRig {
  public:
    GraphRig() : GraphRig(std::make_shared<FalkorDb>()) {}
    explicit GraphRig(std::shared_ptr<FalkorDb> falkordb) : server(std::move(falkordb)) {
        options.poll_interval = Milliseconds(20);
        options.retry_base = options.retry_cap = Milliseconds(50);
        options.lanes = {{"derive", {"synthesize"}, 4, 8}};
        graph_options = server->options();
    }
    ~GraphRig() { stop(); }

    // A source that says these triples at this time, with facts that bear them out.
    std::string source(const std::string& at, const std::vector<extraction::Triple>& triples,
                       const std::string& user = "u") {
        const auto pid = schema.memory("SECRET said");
        schema.sql("update $schema.memories set event_at = $2::timestamptz, user_id = $3 where pid = $1",
                   pg::Params().add(pid).add(at).add(user));
        for (const auto& triple : triples) {
            const auto fact = "SECRET fact of " + pid + ": " + stages::sentence(triple);
            schema.sql(
                "insert into $schema.memories (pid, agent_id, org_id, user_id, content, kind, source_pid) "
                "select "
                "left(md5($2), 21), agent_id, org_id, user_id, $2, 'semantic', pid from $schema.memories "
                "where pid = $1",
                pg::Params().add(pid).add(fact));
            embedder.near(fact, stages::sentence(triple), 0.9);
        }
        stage(pid, triples);
        return pid;
    }
    void stage(const std::string& pid, const std::vector<extraction::Triple>& triples) {
        schema.sql(
            "insert into $schema.graph_triple_staging (source_pid, triples) values ($1, $2::jsonb) on "
            "conflict (source_pid) do update set triples = excluded.triples",
            pg::Params().add(pid).add(extraction::to_json(extraction::Triples{triples, 0})));
    }
    std::int64_t job(const std::string& pid) { return schema.job(pid, "synthesize"); }

    void start() {
        auto pool_options = schema.options();
        pool_options.statement_timeout = Milliseconds(5'000);
        pool = std::make_unique<pg::Pool>(pool_options, 8);
        client = std::make_unique<graph::Client>(graph_options, log);
        graph = std::make_unique<graph::Graph>(*client);
        stage_ = std::make_unique<stages::Synthesize>(*graph, scopes, embedder, *pool, schema.name(), log);
        work::Entry entry;
        entry.stage = stage_.get();
        entry.needs = {&client->endpoint()};
        entry.paid = true;
        work::EngineSettings settings;
        settings.schema = schema.name();
        settings.host = "test";
        settings.additions.pending_index = settings.additions.pauses = true;
        settings.database = schema.options();
        engine = std::make_unique<work::Engine>(settings, work::Plan{options, {{"synthesize", entry}}, true},
                                                *pool, log);
        engine->start();
    }
    void stop() {
        if (!engine) return;
        std::stop_source hurry;
        hurry.request_stop();
        engine->drain(hurry.get_token());
        engine.reset();
    }
    bool drained() {
        return eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; });
    }
    // One job after the other.
    void synthesize(const std::vector<std::string>& pids) {
        if (!engine) start();
        for (const auto& pid : pids) {
            job(pid);
            REQUIRE(drained());
        }
    }
    // "Ann WORKS_AT ACME [2026-01-01T00:00:00+00:00,)" a line, with how many sources.
    std::string edges(const std::string& user = "u") {
        graph::Client reader(server->options(), log);
        std::string text;
        for (const auto& edge : graph::Graph(reader).shown_edges({"a", "o", user}, {}))
            text += edge.subject + " " + edge.type + " " + edge.object + " [" +
                    edge.valid_from.substr(0, 10) + "," + edge.valid_to.value_or("").substr(0, 10) + ") " +
                    std::to_string(edge.memory_pids.size()) + "\n";
        return text;
    }
    std::vector<graph::ShownEntity> entities(const std::string& user = "u") {
        graph::Client reader(server->options(), log);
        return graph::Graph(reader).shown_entities({"a", "o", user}, {});
    }
    bool said_nothing() {
        for (const auto& event : log.events()) {
            if (event.message.find("SECRET") != std::string::npos) return false;
            for (const auto& [key, value] : event.fields)
                if (value.find("SECRET") != std::string::npos) return false;
        }
        return true;
    }

    std::shared_ptr<FalkorDb> server;
    TestSchema schema;
    RecordingLog log;
    work::Options options;
    graph::Options graph_options;
    ChosenVectors embedder;
    std::unique_ptr<pg::Pool> pool;
    std::unique_ptr<graph::Client> client;
    std::unique_ptr<graph::Graph> graph;
    graph::ScopeLocks scopes{1};
    std::unique_ptr<work::Engine> engine;

  private:
    std::unique_ptr<stages::Synthesize> stage_;
};

}  // namespace memoir::test
