// A generation of backends takes over from the one before what did not change, and ends with its last job.

#include "app/backends.hpp"

#include <catch2/catch.hpp>

#include "app/generations.hpp"
#include "model/local_models.hpp"
#include "support/postgres.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using namespace memoir::test;
using app::Backends;
using Endpoints = std::vector<endpoint::Endpoint*>;

namespace {

struct Fixture {
    TestSchema schema;
    RecordingLog log;
    pg::Pool pool{schema.options(), 2};
    app::Ground ground{pool, log, schema.name()};
    config::Config config;

    Fixture() {
        config.database.schema = schema.name();
        config.embedding.provider = "ollama";
        config.embedding.url = "http://127.0.0.1:1";
        config.vector.url = "http://127.0.0.1:1";
        for (auto* chat : {&config.extraction, &config.relational}) {
            chat->emplace();
            (*chat)->url = "http://127.0.0.1:1";
            (*chat)->model = "m";
        }
        config.graph.emplace();
    }
    std::shared_ptr<Backends> make(const std::shared_ptr<Backends>& before = nullptr) {
        return std::make_shared<Backends>(config, ground, before.get());
    }
    // Of `next`, the names of the endpoints that `before` did not have.
    static std::vector<std::string> fresh(const std::shared_ptr<Backends>& next) {
        std::vector<std::string> names;
        for (const auto* endpoint : next->fresh()) names.push_back(endpoint->snapshot().name);
        return names;
    }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Fixture, "the first generation has all its endpoints to try") {
    const auto first = make();
    CHECK(fresh(first) == Names{"embedding", "qdrant", "extraction", "relational", "graph"});
    CHECK(first->endpoints() == first->fresh());
}

TEST_CASE_METHOD(Fixture, "a generation by the same settings has the endpoints of the one before") {
    const auto first = make();
    config.worker.max_attempts = 9;
    config.extraction->prompt_file = SOURCE_DIR "/LICENSE";
    const auto second = make(first);
    CHECK(second->endpoints() == first->endpoints());
    CHECK(second->fresh().empty());
    CHECK(Backends::plan(second).options.max_attempts == 9);
    // Stages are its own: the prompt is read again.
    CHECK(Backends::plan(second).registry.at("extract").stage !=
          Backends::plan(first).registry.at("extract").stage);
}

TEST_CASE_METHOD(Fixture, "what changed is made anew, alone") {
    const auto first = make();
    SECTION("one model's time-out") {
        config.extraction->timeout += Milliseconds(1);
        CHECK(fresh(make(first)) == Names{"extraction"});
    }
    SECTION("one model's key") {
        config.relational->api_key = Secret("x");
        CHECK(fresh(make(first)) == Names{"relational"});
    }
    SECTION("the embedder's server: the index is the same") {
        config.embedding.url = "http://127.0.0.1:2";
        CHECK(fresh(make(first)) == Names{"embedding"});
    }
    SECTION("the embedder's model: the index knows it") {
        config.embedding.model = "other";
        CHECK(fresh(make(first)) == Names{"embedding", "qdrant"});
    }
    SECTION("the index's key") {
        config.vector.api_key = Secret("x");
        CHECK(fresh(make(first)) == Names{"qdrant"});
    }
    SECTION("the graph's time-out") {
        config.graph->timeout += Milliseconds(1);
        CHECK(fresh(make(first)) == Names{"graph"});
    }
    SECTION("a section that goes and comes back") {
        const auto extraction = std::exchange(config.extraction, std::nullopt);
        const auto second = make(first);
        CHECK(second->fresh().empty());
        CHECK(second->endpoints().size() == 4);
        config.extraction = extraction;
        CHECK(fresh(make(second)) == Names{"extraction"});
    }
}

TEST_CASE_METHOD(Fixture,
                 "a model that runs in this process is loaded once for all generations that want it") {
    config.embedding = {};
    config.embedding.model_dir = bge_directory();
    config.onnx = onnx_options();
    config.classifier.emplace();
    config.classifier->provider = "embedding";
    auto first = std::make_unique<app::Parts>(config, ground, nullptr);
    auto& embedder = first->embedder();
    auto& classifier = first->classifier();
    first->built();
    config.extraction->timeout += Milliseconds(1);
    app::Parts second(config, ground, first.get());
    CHECK(&second.embedder() == &embedder);
    CHECK(&second.classifier() == &classifier);
    second.built();
    first.reset();
    CHECK(second.embedder().embed(std::vector<std::string>{"still there"}, {}).front().size() == 384);
    config.embedding.max_tokens = 128;
    app::Parts third(config, ground, &second);
    CHECK(&third.embedder() != &embedder);
    CHECK(&third.classifier() != &classifier);  // it works by the embedder
}

TEST_CASE_METHOD(Fixture, "a generation is kept while some job works by it, and no longer") {
    app::Generations generations;
    generations.replace(make());
    const std::weak_ptr<Backends> first = generations.current();
    auto plan = std::make_unique<work::Plan>(Backends::plan(generations.current()));
    generations.replace(make(generations.current()));
    CHECK(generations.current() != first.lock());
    CHECK(generations.prune());
    CHECK_FALSE(first.expired());
    plan.reset();
    CHECK_FALSE(generations.prune());
    CHECK(first.expired());
    CHECK(generations.current());
}
